package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// run is one measurement of one system.
type run struct {
	ground  *ground
	system  system
	load    Load
	program []string // ourselves, for the merchant
	url     string   // of a service that runs already; empty: it is started
	profile string   // a directory; empty: no profiles
	doors   Doors    // of the merchant
	crew    []member // processes that are the service together; none: one plays all roles
	stays   string   // a database that stays over several runs; empty: a fresh one is made
	// furnish fills the database, once its tables are there; it may be nil.
	furnish func(ctx context.Context, s site) error
	lasts   time.Duration // of the load, where that is more than its warming up and window

	site     site
	book     *book
	shop     *shop
	service  *service // the first of the crew
	others   []*colleague
	watching *pgx.Conn // on the run's database
	cleanups []func()

	before, after sums  // of PostgreSQL, over the whole run
	start, end    point // of the window
}

// point is what was used and done by then, where that is known at any moment.
type point struct {
	at    time.Time
	cpu   usage
	redis sums
}

func (r *run) measure(ctx context.Context) (*Result, error) {
	defer r.tidy()
	if err := r.setUp(ctx); err != nil {
		return nil, err
	}
	if err := r.loaded(ctx); err != nil {
		return nil, err
	}
	late, findings, err := r.inspect(ctx)
	if err != nil {
		return nil, err
	}
	return r.result(late, findings), nil
}

func (r *run) onTidy(f func()) { r.cleanups = append(r.cleanups, f) }

func (r *run) tidy() {
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
	r.cleanups = nil
}

// setUp starts everybody around the service, and then the service.
func (r *run) setUp(ctx context.Context) error {
	if err := r.surround(ctx); err != nil {
		return err
	}
	if err := r.openService(ctx); err != nil {
		return err
	}
	r.onTidy(standBack()) // now that all processes are there
	return r.look(ctx)
}

// surround starts the merchant and makes the database.
func (r *run) surround(ctx context.Context) (err error) {
	r.book = newBook()
	if r.shop, err = openShop(r.program, r.system, r.load.Think, r.doors, r.book); err != nil {
		return err
	}
	r.onTidy(r.shop.close)
	r.site.doors, r.site.redis = r.shop.urls, r.ground.redis
	return r.openDatabase(ctx)
}

// look opens the run's own look into the database, and begins to count what
// PostgreSQL does.
func (r *run) look(ctx context.Context) (err error) {
	if r.watching, err = pgx.Connect(ctx, r.site.database); err != nil {
		return fmt.Errorf("look at the orders: %w", err)
	}
	r.onTidy(func() { _ = r.watching.Close(context.WithoutCancel(ctx)) })
	r.before, err = r.postgres(ctx)
	return err
}

func (r *run) openDatabase(ctx context.Context) (err error) {
	if r.site.database = r.stays; r.stays == "" {
		r.ground.say("%s: making a fresh database", r.system.name())
		r.site.database, err = r.ground.clear(ctx)
	} else {
		err = r.ground.rest(ctx)
	}
	if err != nil {
		return err
	}
	if err := r.system.prepare(ctx, r.site); err != nil {
		return err
	}
	if r.furnish != nil {
		if err := r.furnish(ctx, r.site); err != nil {
			return err
		}
	}
	return r.ground.wearIn(ctx, max(r.lasts, r.load.Warm+r.load.Window))
}

func (r *run) openService(ctx context.Context) (err error) {
	if r.url != "" {
		r.site.addr = strings.TrimPrefix(strings.TrimSuffix(r.url, "/"), "http://")
		return nil
	}
	if o, ok := r.system.(interface{ channelSecret() string }); ok {
		g, err := openGateway(ctx, o.channelSecret())
		if err != nil {
			return err
		}
		r.onTidy(g.close)
		r.site.channel = g.url
	}
	if r.site.addr, err = freeAddr(ctx); err != nil {
		return err
	}
	if r.profile != "" {
		if r.site.pprof, err = freeAddr(ctx); err != nil {
			return err
		}
	}
	if len(r.crew) > 0 {
		r.site.roles = r.crew[0].roles
	}
	if r.service, err = startService(ctx, r.system, r.site); err != nil {
		return err
	}
	r.onTidy(func() { _ = r.stopService() })
	return r.openOthers(ctx)
}

func (r *run) stopService() error {
	if r.service == nil {
		return nil
	}
	s := r.service
	r.service = nil
	return errors.Join(s.stop(), r.stopOthers())
}

// loaded makes the load and waits until what it began is through.
func (r *run) loaded(ctx context.Context) error {
	loading, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		(&buyers{system: r.system, site: r.site, load: r.load, book: r.book}).run(loading)
	}()
	err := r.watch(loading)
	stop()
	r.ground.say("%s: waiting for what is under way", r.system.name())
	<-done
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	return r.drain(ctx)
}

// watch takes the counts at both ends of the window.
func (r *run) watch(ctx context.Context) (err error) {
	if err := r.wait(ctx, "warming up", r.load.Warm); err != nil {
		return err
	}
	profiled := make(chan error, 1)
	go func() { profiled <- r.profiles(ctx) }()
	if r.start, err = r.point(ctx); err == nil {
		err = r.wait(ctx, "measuring", r.load.Window)
	}
	if err == nil {
		r.end, err = r.point(ctx)
	}
	return errors.Join(err, <-profiled)
}

func (r *run) profiles(ctx context.Context) error {
	if r.profile == "" {
		return nil
	}
	if err := os.MkdirAll(r.profile, 0o755); err != nil { //nolint:gosec // profiles are no secret
		return err
	}
	return saveProfiles(ctx, r.site.pprof, r.profile, r.load.Window)
}

// wait lets time pass, and says how it goes.
func (r *run) wait(ctx context.Context, doing string, d time.Duration) error {
	const often = 500 * time.Millisecond
	end, tick := time.NewTimer(d), time.NewTicker(often)
	defer end.Stop()
	defer tick.Stop()
	began := time.Now()
	_, last, _ := r.book.tally()
	var died <-chan struct{}
	if r.service != nil {
		died = r.service.child.Done()
	}
	for {
		select {
		case <-end.C:
			return nil
		case <-died:
			return r.stopService()
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if r.deserted() {
				return r.stopService()
			}
			orders, through, wrong := r.book.tally()
			r.ground.say("%s: %s %s of %s: %d orders, %.0f lifecycles/s, %d errors", r.system.name(), doing,
				time.Since(began).Round(often), d, orders, float64(through-last)/often.Seconds(), wrong)
			last = through
		}
	}
}

func (r *run) point(ctx context.Context) (p point, err error) {
	p.redis, err = redisSums(ctx, r.ground.cache)
	p.at, p.cpu = time.Now(), cpuNow(r.processes())
	return p, err
}

// processes are those whose CPU time is counted.
func (r *run) processes() map[string]int {
	pids := map[string]int{"bench": os.Getpid(), "merchant": r.shop.child.PID()}
	if r.service != nil {
		pids[r.title()] = r.service.child.PID()
	}
	for _, o := range r.others {
		pids[o.name] = o.child.PID()
	}
	if r.ground.postgres != nil {
		pids["postgres"] = r.ground.postgres.PID
	}
	if r.ground.redisServer != nil {
		pids["redis"] = r.ground.redisServer.PID
	}
	return pids
}

func (r *run) postgres(ctx context.Context) (sums, error) {
	return postgresSums(ctx, r.ground.admin, r.watching.Config().Database, r.ground.statements)
}

// drain returns when every order is where it will stay, or the time for it is
// over: what is then left is found by verify.
func (r *run) drain(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, r.load.Drain)
	defer cancel()
	for {
		left, err := r.system.left(limited, r.watching)
		switch {
		case limited.Err() != nil:
			return r.reconnect(ctx)
		case err != nil:
			return fmt.Errorf("wait for %s: %w", r.system.name(), err)
		case left == 0:
			return nil
		case r.deserted():
			return r.stopService()
		}
		r.ground.say("%s: %d orders are still on their way", r.system.name(), left)
		pause(limited, 50*time.Millisecond)
	}
}

// reconnect is for a connection whose query was cut short.
func (r *run) reconnect(ctx context.Context) (err error) {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !r.watching.IsClosed() {
		return nil
	}
	r.watching, err = pgx.Connect(ctx, r.site.database)
	return err
}

// inspect ends the service and the merchant, reads what they came to, and holds
// the database against the book. A service that somebody else runs goes on.
func (r *run) inspect(ctx context.Context) (late []time.Duration, findings []string, err error) {
	r.ground.say("%s: verifying", r.system.name())
	if err := r.stopService(); err != nil {
		return nil, nil, err
	}
	r.shop.close()
	if r.after, err = r.postgres(ctx); err != nil {
		return nil, nil, err
	}
	found, err := r.system.verify(ctx, r.watching, r.book)
	if err != nil {
		return nil, nil, fmt.Errorf("verify: %w", err)
	}
	if c, ok := r.system.(interface {
		lateness(context.Context, *pgx.Conn) ([]time.Duration, error)
	}); ok && r.load.Unpaid > 0 {
		if late, err = c.lateness(ctx, r.watching); err != nil {
			return nil, nil, err
		}
	}
	return late, append(r.book.findings(), found...), nil
}
