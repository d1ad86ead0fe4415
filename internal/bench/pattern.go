package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

// pattern is a life as the store wrote it: its rows, and what it leaves of the
// stock. Old orders are stamped out of it, so they cannot differ from what this
// release would have written.
type pattern struct {
	made         time.Time // when the order was made
	expire       time.Time
	lasts        time.Duration // from then until the last step
	rows         [][]row       // by table, as in tables
	held, onHand int64         // what it changes of its SKU's stock
	owes         int           // rows of the outbox
}

// table is one that lives leave rows in, and which rows are one order's, of ids
// from $1 to $2.
type table struct{ name, where string }

const (
	tableOutbox = "outbox"
	tableKeys   = "idempotency_keys"
)

// tables are in the order in which they are written. The inbox is found by the
// payment that a callback is about; it has whatever columns it has.
var tables = []table{
	{"orders", "id BETWEEN $1 AND $2"},
	{"attempts", "id BETWEEN $1 AND $2"},
	{"refunds", "id BETWEEN $1 AND $2"},
	{"order_events", "order_id BETWEEN $1 AND $2"},
	{"stock_moves", "order_id BETWEEN $1 AND $2"},
	{"ledger_postings", "order_id BETWEEN $1 AND $2"},
	{"inbox", "subject BETWEEN $1 AND $2"},
	{"notices", "id BETWEEN $1 AND $2"},
	{"notice_attempts", "notice_id BETWEEN $1 AND $2"},
	{tableKeys, "key::uuid BETWEEN $1 AND $2"},
	{tableOutbox, "subject BETWEEN $1 AND $2"},
}

// column is one that is copied, and its type.
type column struct{ name, of string }

// workshop is a small database of its own on the server that is seeded, where
// patterns are made.
type workshop struct {
	db      *db.DB
	store   *db.Store
	conn    *pgx.Conn
	now     time.Time // the store's
	columns [][]column
	tidy    []func()
}

// openWorkshop makes the database. Close drops it.
func openWorkshop(ctx context.Context, url string) (w *workshop, err error) {
	w = &workshop{}
	defer func() {
		if err != nil {
			w.close()
			w, err = nil, fmt.Errorf("make patterns of orders in a database of their own: %w", err)
		}
	}()
	own, err := w.create(ctx, url)
	if err != nil {
		return w, err
	}
	if w.db, err = db.Open(ctx, own, 2); err != nil {
		return w, err
	}
	w.tidy = append(w.tidy, func() { _ = w.db.Close() })
	if _, err := w.db.Migrate(ctx); err != nil {
		return w, err
	}
	if _, err := w.db.PutMerchant(ctx, merchant.Merchant{ID: markMerchant, FeeBps: feeBps}); err != nil {
		return w, err
	}
	if err := w.db.CreateEndpoint(ctx, merchant.Endpoint{ID: markEndpoint, MerchantID: markMerchant, URL: "https://pattern.example", Events: seededEvents()}); err != nil {
		return w, err
	}
	if _, err := w.db.SetStock(ctx, markMerchant, markTea, plenty, benchActor); err != nil {
		return w, err
	}
	w.store = db.NewStore(w.db, db.StoreOptions{Log: zap.NewNop(), Now: func() time.Time { return w.now }})
	w.tidy = append(w.tidy, w.store.Close)
	if w.conn, err = pgx.Connect(ctx, own); err != nil {
		return w, err
	}
	w.tidy = append(w.tidy, func() { _ = w.conn.Close(context.WithoutCancel(ctx)) })
	w.columns, err = columnsOf(ctx, w.conn)
	return w, err
}

// create makes the database; what is in it need not outlive a power cut.
func (w *workshop) create(ctx context.Context, url string) (string, error) {
	admin, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	name := "orderflow_patterns_" + ident.New[workshop]().Compact()
	w.tidy = append(w.tidy, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		_, _ = admin.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		_ = admin.Close(ctx)
	})
	for _, sql := range []string{"CREATE DATABASE " + name, "ALTER DATABASE " + name + " SET synchronous_commit = off"} {
		if _, err := admin.Exec(ctx, sql); err != nil {
			return "", err
		}
	}
	return named(url, name)
}

func (w *workshop) close() {
	for i := len(w.tidy) - 1; i >= 0; i-- {
		w.tidy[i]()
	}
	w.tidy = nil
}

// columnsOf are the columns of each table, without what the server fills in.
func columnsOf(ctx context.Context, conn *pgx.Conn) (of [][]column, err error) {
	for _, t := range tables {
		rows, err := conn.Query(ctx, `SELECT quote_ident(attname), format_type(atttypid, NULL) FROM pg_attribute
			WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = '' ORDER BY attnum`, t.name)
		if err != nil {
			return nil, err
		}
		list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (c column, err error) {
			err = r.Scan(&c.name, &c.of)
			return c, err
		})
		if err != nil {
			return nil, err
		}
		of = append(of, list)
	}
	return of, nil
}

// made lives a life and keeps what the store wrote of it. The clock begins now,
// with a fraction of a second of its own.
func (w *workshop) made(ctx context.Context, steps []step, items []order.Item) (*pattern, error) {
	before, err := w.db.Stock(ctx, markMerchant, markTea)
	if err != nil {
		return nil, err
	}
	l := &living{db: w.db, store: w.store, clock: &w.now, id: ident.New[order.Order](), items: items}
	*l.clock = time.Now().UTC().Truncate(time.Microsecond)
	p := &pattern{made: *l.clock}
	for i, s := range steps {
		if err := s(ctx, l); err != nil {
			return nil, fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	p.lasts, p.expire = l.clock.Sub(p.made), l.expire
	after, err := w.db.Stock(ctx, markMerchant, markTea)
	if err != nil {
		return nil, err
	}
	p.held, p.onHand = after.Held-before.Held, after.OnHand-before.OnHand
	return p, w.read(ctx, p, l.id)
}

// read fetches the rows of an order in the form in which they are written.
func (w *workshop) read(ctx context.Context, p *pattern, id order.ID) error {
	c := newCutter(id)
	for i, t := range tables {
		var out bytes.Buffer
		sql := "COPY (SELECT " + names(w.columns[i]) + " FROM " + t.name + " WHERE " + between(t.where, id) + ") TO STDOUT (FORMAT binary)"
		if _, err := w.conn.PgConn().CopyTo(ctx, &out, sql); err != nil {
			return fmt.Errorf("read %s: %w", t.name, err)
		}
		rows, err := c.rows(out.Bytes(), w.columns[i])
		if err != nil {
			return fmt.Errorf("read %s: %w", t.name, err)
		}
		p.rows = append(p.rows, rows)
		if t.name == tableOutbox {
			p.owes = len(rows)
		}
	}
	return nil
}

// copyHead begins each stream of COPY in binary form (PostgreSQL's manual, COPY,
// "Binary Format"): a signature, no flags, no extension.
const copyHead = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

// copyEnd ends it, in the place of a row's number of fields.
const copyEnd = "\xff\xff"

var errCopyForm = errors.New("COPY answers in a form that is not known")

// rows cuts what COPY gave.
func (c *cutter) rows(b []byte, columns []column) (list []row, err error) {
	b, ok := bytes.CutPrefix(b, []byte(copyHead))
	if !ok {
		return nil, errCopyForm
	}
	for {
		if len(b) < 2 {
			return nil, errCopyForm
		}
		if string(b[:2]) == copyEnd {
			return list, nil
		}
		if int(binary.BigEndian.Uint16(b)) != len(columns) {
			return nil, errCopyForm
		}
		r := row{}.text(b[:2])
		b = b[2:]
		for _, col := range columns {
			var value []byte
			if value, b, err = cutField(b); err != nil {
				return nil, err
			}
			r = c.field(r, col.of, value)
		}
		list = append(list, r)
	}
}

// cutField is the next field, nil for NULL, and what comes after it.
func cutField(b []byte) (value, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, errCopyForm
	}
	n := int32(binary.BigEndian.Uint32(b))
	b = b[4:]
	if n < 0 {
		return nil, b, nil
	}
	if len(b) < int(n) {
		return nil, nil, errCopyForm
	}
	return b[:n:n], b[n:], nil
}
