package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// startGrace is how long an event of the window's last moment has to reach its
// merchant, and no longer than the window; the load goes on meanwhile.
const startGrace = 2 * time.Second

// clinic is Orderflow with merchants of whom some hang. A notice to one that
// hangs may be owed in the end; one to a merchant who is well may not.
type clinic struct {
	*orderflow
	doors    Doors
	title    string
	operator string // a key of
}

func (c *clinic) name() string { return c.title }

// hangs says whether the n-th order's merchant does.
func (c *clinic) hangs(n int64) bool { return c.doors.Hangs(int64(c.seller(n))) }

// well are the merchants that do not hang.
func (c *clinic) well() (list []string) {
	for n := range c.merchants() {
		if !c.doors.Hangs(int64(n)) {
			list = append(list, merchantID(n))
		}
	}
	return list
}

// left are payments on their way, and notices that a merchant who is well has
// not acknowledged.
func (c *clinic) left(ctx context.Context, conn *pgx.Conn) (n int64, err error) {
	err = conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM outbox WHERE kind = 'payment:confirm') + (SELECT count(*) FROM notices n
		WHERE n.merchant_id = ANY ($1) AND NOT EXISTS (SELECT 1 FROM notice_attempts t WHERE t.notice_id = n.id AND t.ok))`, c.well()).Scan(&n)
	return n, err
}

// ward is one run under way.
type ward struct {
	*run
	clinic        *clinic
	healed        time.Time // until when what has arrived has started
	before, after sums      // of the service's metrics, at the window's ends
}

func (w *ward) measure(ctx context.Context) (*IsolationRun, error) {
	defer w.tidy()
	if err := w.setUp(ctx); err != nil {
		return nil, err
	}
	if err := w.loaded(ctx); err != nil {
		return nil, err
	}
	w.shop.mend()
	if err := w.drain(ctx); err != nil {
		return nil, err
	}
	_, findings, err := w.inspect(ctx)
	if err != nil {
		return nil, err
	}
	return w.result(findings), nil
}

// loaded has orders made and paid, and nobody wait for a merchant: one that
// hangs would hold up who measures it.
func (w *ward) loaded(ctx context.Context) error {
	loading, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		(&buyers{system: w.system, site: w.site, load: w.load, book: w.book, hangs: w.clinic.hangs, leave: true}).run(loading)
	}()
	err := w.watch(loading)
	stop()
	<-done
	if err == nil {
		err = ctx.Err()
	}
	return err
}

func (w *ward) watch(ctx context.Context) (err error) {
	if err := w.wait(ctx, "warming up", w.load.Warm); err != nil {
		return err
	}
	if w.before, err = w.metrics(ctx); err != nil {
		return err
	}
	if w.start, err = w.point(ctx); err != nil {
		return err
	}
	if err := w.wait(ctx, "measuring", w.load.Window); err != nil {
		return err
	}
	if w.end, err = w.point(ctx); err != nil {
		return err
	}
	if w.after, err = w.metrics(ctx); err != nil {
		return err
	}
	err = w.wait(ctx, "a moment more,", time.Until(w.end.at.Add(min(startGrace, w.load.Window))))
	w.healed = time.Now()
	return err
}

// metrics are the counters of all processes, added up.
func (w *ward) metrics(ctx context.Context) (sums, error) {
	all := sums{}
	for _, addr := range w.addrs() {
		if err := scrape(ctx, "http://"+addr+"/metrics", w.clinic.operator, all); err != nil {
			return nil, fmt.Errorf("read the metrics: %w", err)
		}
	}
	return all, nil
}

// result goes through the book: what counts is what was paid within the window.
func (w *ward) result(findings []string) *IsolationRun {
	v := &IsolationRun{
		Plain: w.clinic.plain, Seconds: w.end.at.Sub(w.start.at).Seconds(), Processors: map[string]float64{},
		Errors: w.book.errors, Missed: w.book.missed, Turned: len(w.book.turned()), Verified: len(findings) == 0, Findings: findings,
	}
	var events int
	var took []time.Duration
	for _, l := range w.book.all() {
		v.Orders++
		if l.acked.IsZero() || !l.called.After(w.start.at) || l.called.After(w.end.at) {
			continue
		}
		events++
		if l.hangs {
			continue
		}
		v.Well++
		if !l.told.IsZero() && !l.told.After(w.healed) {
			took = append(took, l.told.Sub(l.called))
		}
	}
	v.Events, v.Started, v.Notice = float64(events)/v.Seconds, len(took), latency(took)
	for name, seconds := range w.end.cpu.since(w.start.cpu) {
		v.Processors[name] = seconds / v.Seconds
	}
	if n, ok := w.after.since(w.before)[detachedTotal]; ok {
		v.Detached = &n
	}
	return v
}
