package db

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/orderflow/orderflow/tasks"
)

type taskModel struct {
	bun.BaseModel `bun:"table:outbox,alias:o"`

	Kind       tasks.Kind    `bun:"kind,pk"`
	Subject    tasks.Subject `bun:"subject,pk"`
	Payload    []byte        `bun:"payload"`
	DueAt      time.Time     `bun:"due_at"`
	PromotedAt time.Time     `bun:"promoted_at,nullzero"`
	Generation int           `bun:"generation"`
	Attempts   int           `bun:"attempts"`
	LastError  string        `bun:"last_error"`
	DeadAt     time.Time     `bun:"dead_at,nullzero"`
	CreatedAt  time.Time     `bun:"created_at"`
}

func (t taskModel) row() tasks.Row {
	return tasks.Row{
		Key: tasks.Key{Kind: t.Kind, Subject: t.Subject}, Payload: t.Payload, DueAt: t.DueAt.UTC(), PromotedAt: t.PromotedAt.UTC(),
		Generation: t.Generation, Attempts: t.Attempts, LastError: t.LastError, DeadAt: t.DeadAt.UTC(), CreatedAt: t.CreatedAt.UTC(),
	}
}

// The three sorts of row, each with an index of its own. The conditions are
// the indexes' very words.
const (
	rowsWaiting  = "promoted_at IS NULL AND dead_at IS NULL"
	rowsPromoted = "promoted_at IS NOT NULL AND dead_at IS NULL"
	rowsDead     = "dead_at IS NOT NULL"
)

// Tasks lists a page of what is owed. The living are read from the front of two
// indexes, so that a page of all kinds costs the same under a million rows as
// under ten; one of a rare kind may have to pass over those of the others.
func (d *DB) Tasks(ctx context.Context, f tasks.Filter) ([]tasks.Row, error) {
	var q *bun.SelectQuery
	switch f.State {
	case tasks.Dead:
		q = d.tasksWhere(rowsDead, "dead_at", f)
	case tasks.Overdue, tasks.Waiting, "":
		living := d.tasksWhere(rowsWaiting, "due_at", f).UnionAll(d.tasksWhere(rowsPromoted, "due_at", f))
		q = d.NewSelect().TableExpr("(?) AS living", living).OrderExpr("due_at, kind, subject").Limit(page(f.Limit))
	default:
		return nil, fmt.Errorf("list tasks: unknown state %q: want waiting, overdue or dead", f.State)
	}
	var rows []taskModel
	if err := q.Scan(ctx, &rows); err != nil {
		return nil, wrap(err, "list tasks")
	}
	return col(rows, taskModel.row), nil
}

func (d *DB) tasksWhere(sort, at string, f tasks.Filter) *bun.SelectQuery {
	q := d.NewSelect().Model((*taskModel)(nil)).Where(sort).OrderExpr("?, kind, subject", bun.Ident(at)).Limit(page(f.Limit))
	if f.Kind != "" {
		q.Where("kind = ?", f.Kind)
	}
	if f.State == tasks.Overdue {
		q.Where("due_at < now() - make_interval(secs => ?)", tasks.OverdueAfter.Seconds())
	}
	if !f.After.At.IsZero() {
		q.Where("(?, kind, subject) > (?, ?, ?)", bun.Ident(at), f.After.At, f.After.Kind, f.After.Subject)
	}
	return q
}

// TaskCounts counts what is owed, by kind: every kind of this release in the
// order of tasks.Specs, then any other that is found. It reads no more than
// tasks.CountMost rows of each sort, so that a metrics page may ask every few
// seconds.
func (d *DB) TaskCounts(ctx context.Context) ([]tasks.Count, error) {
	var rows []struct {
		Kind                             tasks.Kind
		Waiting, Promoted, Overdue, Dead int
		OldestDue                        time.Time
	}
	first := func(sort, at string) *bun.SelectQuery {
		return d.NewSelect().Table("outbox").Column("kind", "due_at", "promoted_at", "dead_at").Where(sort).Order(at).Limit(tasks.CountMost)
	}
	err := d.NewSelect().
		TableExpr("(?) AS o", first(rowsWaiting, "due_at").UnionAll(first(rowsPromoted, "due_at")).UnionAll(first(rowsDead, "dead_at"))).
		Column("kind").
		ColumnExpr("count(*) FILTER (WHERE "+rowsWaiting+") AS waiting").
		ColumnExpr("count(*) FILTER (WHERE "+rowsPromoted+") AS promoted").
		ColumnExpr("count(*) FILTER (WHERE dead_at IS NULL AND due_at < now() - make_interval(secs => ?)) AS overdue", tasks.OverdueAfter.Seconds()).
		ColumnExpr("count(*) FILTER (WHERE "+rowsDead+") AS dead").
		ColumnExpr("min(due_at) FILTER (WHERE dead_at IS NULL) AS oldest_due").
		Group("kind").Order("kind").Scan(ctx, &rows)
	if err != nil {
		return nil, wrap(err, "count tasks")
	}
	counts := col(tasks.Specs(), func(s tasks.Spec) tasks.Count { return tasks.Count{Kind: s.Kind} })
	for _, r := range rows {
		c := tasks.Count{Kind: r.Kind, Waiting: r.Waiting, Promoted: r.Promoted, Overdue: r.Overdue, Dead: r.Dead, OldestDue: r.OldestDue.UTC()}
		if i := slices.IndexFunc(counts, func(have tasks.Count) bool { return have.Kind == r.Kind }); i >= 0 {
			counts[i] = c
		} else {
			counts = append(counts, c)
		}
	}
	return counts, nil
}

// dueMost is far more than can be done in the time that anybody would wait.
const dueMost = 20_000

// CountDue counts the tasks of a kind that are due and not done, up to dueMost.
// It is cheap enough to be asked a few times a second.
func (d *DB) CountDue(ctx context.Context, kind tasks.Kind) (n int, err error) {
	err = d.hot.QueryRow(ctx, `SELECT count(*) FROM (SELECT FROM outbox WHERE `+rowsPromoted+` AND kind = $1 AND due_at <= now() LIMIT $2) x`,
		string(kind), dueMost).Scan(&n)
	return n, wrap(err, "count due tasks")
}
