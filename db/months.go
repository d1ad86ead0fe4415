package db

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// monthly are the tables that have a partition for each month, in the order in
// which a transaction comes to them. An order's rows in all of them lie in the month in which it was
// made: that time is what their identifiers begin with.
var monthly = []struct {
	name    string
	storage string // parameters of its partitions
	only    bool   // its rows are only ever added
}{
	{"orders", "fillfactor = 50", false},
	{"attempts", "fillfactor = 50", false},
	{"refunds", "fillfactor = 80", false},
	{"order_events", "", true},
	{"stock_moves", "", true},
	{"ledger_postings", "", true},
	{"inbox", "", false},
	{"notices", "", false},
	{"notice_attempts", "", false},
}

// Month is a partition of all monthly tables.
type Month struct {
	Name     string    // "2026_11"; "before" is all that was made before there were months
	From, To time.Time // To is not in it; From of "before" is zero
	Rows     int64     // of all its tables, as PostgreSQL has counted them lately
	Bytes    int64     // with indexes
	Sealed   bool      // it is being taken out: no order of it changes
}

// restOfTime is the partition of rows for which no month was made.
const restOfTime = "default"

// monthOf is the month of t, without its sizes.
func monthOf(t time.Time) Month {
	t = t.UTC()
	from := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	return Month{Name: from.Format("2006_01"), From: from, To: from.AddDate(0, 1, 0)}
}

// firstID is the first identifier of a time, to the millisecond.
func firstID(t time.Time) (id uuid.UUID) {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(max(t.UnixMilli(), 0)))
	copy(id[:6], ms[2:])
	return id
}

// timeOfID is the inverse.
func timeOfID(id uuid.UUID) time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(append([]byte{0, 0}, id[:6]...)))).UTC()
}

// bounds are the first identifier of m, and the first after it.
func (m Month) bounds() (from, to uuid.UUID) {
	if !m.From.IsZero() {
		from = firstID(m.From)
	}
	return from, firstID(m.To)
}

// Months lists the months that there are, oldest first, and how many rows lie in
// none of them, as PostgreSQL has counted them lately.
func (d *DB) Months(ctx context.Context) (list []Month, strays int64, err error) {
	rows, err := d.reading.Query(ctx, `SELECT p.name, c.relname::text, pg_get_expr(c.relpartbound, c.oid), greatest(c.reltuples::bigint, pg_stat_get_live_tuples(c.oid)), pg_total_relation_size(c.oid),
			EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'sealed')
		FROM unnest($1::text[]) AS p (name) JOIN pg_inherits i ON i.inhparent = p.name::regclass JOIN pg_class c ON c.oid = i.inhrelid`, monthlyNames())
	if err != nil {
		return nil, 0, wrap(err, "list months")
	}
	byName := map[string]*Month{}
	var (
		parent, leaf, bound string
		tuples, size        int64
		isSealed            bool
	)
	_, err = pgx.ForEachRow(rows, []any{&parent, &leaf, &bound, &tuples, &size, &isSealed}, func() (err error) {
		name := strings.TrimPrefix(leaf, parent+"_")
		if name == restOfTime {
			strays += tuples
			return nil
		}
		m := byName[name]
		if m == nil {
			m = &Month{Name: name}
			if m.From, m.To, err = readBounds(bound); err != nil {
				return fmt.Errorf("partition %s: %w", leaf, err)
			}
			byName[name] = m
		}
		m.Rows, m.Bytes, m.Sealed = m.Rows+tuples, m.Bytes+size, m.Sealed || isSealed
		return nil
	})
	for _, m := range byName {
		list = append(list, *m)
	}
	slices.SortFunc(list, func(x, y Month) int { return x.To.Compare(y.To) })
	return list, strays, wrap(err, "list months")
}

func monthlyNames() []string {
	names := make([]string, len(monthly))
	for i, t := range monthly {
		names[i] = t.name
	}
	return names
}

var boundIDs = regexp.MustCompile(`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// readBounds reads FOR VALUES FROM ('…') TO ('…') as PostgreSQL writes it.
func readBounds(expr string) (from, to time.Time, err error) {
	ids := boundIDs.FindAllString(expr, -1)
	switch {
	case len(ids) == 2:
		from = timeOfID(uuid.MustParse(ids[0]))
	case len(ids) != 1 || !strings.Contains(expr, "MINVALUE"):
		return from, to, fmt.Errorf("unexpected bounds %q", expr)
	}
	return from, timeOfID(uuid.MustParse(ids[len(ids)-1])), nil
}

// ahead is how long before its time a month is made.
const ahead = 31 * 24 * time.Hour

// EnsureAhead makes this month and the next.
func (d *DB) EnsureAhead(ctx context.Context, now time.Time) (made []string, err error) {
	return d.EnsureMonths(ctx, now, now.Add(ahead))
}

// EnsureMonths makes the months from one time to another that are not there yet,
// and says which. One in which rows lie already, in the default partition or in
// that of all before, is left out: it goes on where it is.
func (d *DB) EnsureMonths(ctx context.Context, from, to time.Time) (made []string, err error) {
	there, _, err := d.Months(ctx)
	if err != nil {
		return nil, err
	}
	for m := monthOf(from); !m.From.After(to); m = monthOf(m.To) {
		if slices.ContainsFunc(there, func(t Month) bool { return t.From.Before(m.To) && m.From.Before(t.To) }) {
			continue
		}
		ok, err := d.makeMonth(ctx, m)
		if err != nil {
			return made, fmt.Errorf("make month %s: %w", m.Name, err)
		}
		if ok {
			made = append(made, m.Name)
		}
	}
	return made, nil
}

// makeMonth makes a month in all tables, or in none.
func (d *DB) makeMonth(ctx context.Context, m Month) (made bool, err error) {
	from, to := m.bounds()
	var script strings.Builder
	for _, t := range monthly {
		leaf := t.name + "_" + m.Name
		fmt.Fprintf(&script, "CREATE TABLE %s PARTITION OF %s FOR VALUES FROM ('%s') TO ('%s')", leaf, t.name, from, to)
		if t.storage != "" {
			fmt.Fprintf(&script, " WITH (%s)", t.storage)
		}
		script.WriteString(";\n")
		if t.only { // also for who goes round the parent
			fmt.Fprintf(&script, "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();\n", leaf)
		}
	}
	err = d.rebuild(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, script.String())
		return err
	})
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "42P07", "42P17": // another process has just made it
			return false, nil
		case "23514": // rows of it lie in the default partition
			return false, nil
		}
	}
	return err == nil, err
}

// rebuild changes tables that everybody uses. It needs locks on them for a
// moment, for which all that comes later has to wait as well: so it gives up soon,
// lets them pass and tries again.
func (d *DB) rebuild(ctx context.Context, fn func(tx pgx.Tx) error) (err error) {
	for range 20 {
		err = pgx.BeginFunc(ctx, d.reading, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '500ms'"); err != nil {
				return err
			}
			return fn(tx)
		})
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "55P03" && pg.Code != "40P01" {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
	return fmt.Errorf("the tables were in use at each of 20 tries; it is tried again later: %w", err)
}
