package simulation

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/simulator"
	"github.com/orderflow/orderflow/producer/producertest"
	"github.com/orderflow/orderflow/tasks"
)

// The hosts of a world. Merchants have one each.
const (
	doorHost      = "orderflow.test"
	channelHost   = "channel.test"
	channelSecret = "a secret between the channel and us"
)

// The times of a world.
const (
	arrivals = 10 * time.Minute          // within it all histories begin
	bustle   = arrivals + 40*time.Minute // after it little happens
	longest  = 16 * time.Hour            // what is not at rest by then is judged as it stands
	look     = 10 * time.Minute          // between two looks whether all is quiet
)

// plan says which world it is.
type plan struct {
	seed  uint64
	first int   // number of its first history
	size  int   // how many it has
	only  int   // the one to be lived; -1: all
	rule  *rule // that is taken away; nil: none
}

// world is many histories side by side.
type world struct {
	testing.TB
	plan
	ctx   context.Context //nolint:containedctx // one world, one context
	began time.Time
	url   string // of its database
	terms tasks.Terms

	net     *internet
	memory  *memory
	books   *db.DB // the judge's own way to the database, which never breaks
	channel *simulator.Simulator
	duty    *duty
	shops   []*shop
	forms   producertest.Schemas
	people  []*history
	weather *weather

	births atomic.Int64
	turns  atomic.Int64
	graves sync.WaitGroup
	rounds sync.WaitGroup // the operator's
	busy   atomic.Int64   // people who have something to do
	over   chan struct{}
	tries  atomic.Int64 // of tasks

	mu       sync.Mutex // guards what follows
	alive    []*process
	requeued map[string]int // how often a task was tried again by hand, by its subject
}

// live lets a world begin, come to rest and be judged.
func live(t *testing.T, p plan) (faults []fault) {
	t.Helper()
	url := dbtest.URL(t)
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			TB: t, plan: p, ctx: context.Background(), began: time.Now(), url: url,
			terms: tasks.Terms{FirstQuery: 5 * time.Second, CompleteAfter: 90 * time.Minute, PollAfterClose: time.Hour, ReturnMismatch: 30 * time.Minute},
			net:   newInternet(), duty: newDuty(), over: make(chan struct{}), requeued: map[string]int{},
		}
		w.open()
		w.happen()
		w.close()
		faults = w.judge()
		t.Log(w.chronicle())
		require.NoError(t, w.books.Close())
	})
	return faults
}

// open furnishes the world.
func (w *world) open() {
	var err error
	w.memory, err = newMemory()
	require.NoError(w, err)
	w.books, err = db.Open(w.ctx, named(w.url, "judge"), 2, db.SealedBy(dbtest.Keys(w)))
	require.NoError(w, err)
	w.channel, err = simulator.New(simulator.Options{Secret: channelSecret, BaseURL: "https://" + channelHost, HTTP: w.net.client(10 * time.Second), Keep: 10 * longest})
	require.NoError(w, err)
	w.channel.Start()
	w.net.host(channelHost, w.channel)
	w.net.host(doorHost, http.HandlerFunc(w.serveDoor))
	w.forms = producertest.NewSchemas(w)
	w.openShops()
	for i := w.first; i < w.first+w.size; i++ {
		w.people = append(w.people, w.newHistory(i))
	}
	w.weather = w.forecast(diceOf(w.seed, fmt.Sprintf("weather/%d", w.first)))
}

// happen lets people and weather have their way until all is quiet.
func (w *world) happen() {
	w.start(lively)
	for _, h := range w.people {
		if w.only < 0 || w.only == h.number {
			w.act(h.live)
		}
	}
	w.act(w.storm)
	w.rounds.Go(w.operate)
	for _, s := range w.shops {
		w.rounds.Go(s.officeHours)
	}
	for range 6 {
		pause(bustle / 6)
	}
	w.changeGuard(quiet)
	for time.Since(w.began) < longest && !w.atRest() {
		pause(look)
	}
}

// act runs a part of somebody who has something to do.
func (w *world) act(part func()) {
	w.busy.Add(1)
	go func() {
		defer w.busy.Add(-1)
		part()
	}()
}

// atRest says whether nobody will do anything any more: no person, no task but
// those of held orders, no callback on its way.
func (w *world) atRest() bool {
	if w.busy.Load() > 0 {
		return false
	}
	for _, p := range w.channel.Payments() {
		for _, c := range p.Callbacks {
			if c.DeliveredAt.IsZero() && !c.GaveUp {
				return false
			}
		}
		for _, r := range p.Refunds {
			if r.State == payment.RefundPending {
				return false
			}
		}
	}
	return len(w.owed()) == 0
}

// owed are the live tasks that are not about held orders.
func (w *world) owed() (list []string) {
	rows, err := w.books.QueryContext(w.ctx, `SELECT b.kind || '/' || b.subject || ' due ' || b.due_at || ' ' || b.last_error FROM outbox b
		LEFT JOIN orders o ON substring(o.id::text FOR 34) = substring(b.subject::text FOR 34)
		WHERE b.dead_at IS NULL AND coalesce(o.hold, '') = '' AND b.kind NOT IN ('maintenance:run', 'endpoint:verify') ORDER BY 1`) // which always are
	require.NoError(w, err)
	defer rows.Close()
	for rows.Next() {
		var one string
		require.NoError(w, rows.Scan(&one))
		list = append(list, one)
	}
	require.NoError(w, rows.Err())
	return append(list, w.waiting()...)
}

// waiting lists what the shops have yet to take.
func (w *world) waiting() (list []string) {
	require.NoError(w, w.books.NewRaw(`SELECT d.type || ' ' || d.notice_id || ' waits until ' || d.due_at || ' ' || d.last_error FROM deliveries d ORDER BY 1`).Scan(w.ctx, &list))
	return list
}

// close ends everything but the judge's connection.
func (w *world) close() {
	close(w.over)
	w.rounds.Wait()
	for w.busy.Load() > 0 { // whoever is not answered gives up now
		pause(time.Second)
	}
	for _, p := range w.living() {
		p.stop()
	}
	w.graves.Wait()
	w.channel.Stop()
	w.memory.Close()
}

// serveDoor hands a request to one of the living processes. Whoever dies over
// it does not answer.
func (w *world) serveDoor(rw http.ResponseWriter, r *http.Request) {
	alive := w.living()
	if len(alive) == 0 {
		panic(http.ErrAbortHandler)
	}
	p := alive[int(w.turns.Add(1))%len(alive)]
	p.door.ServeHTTP(rw, r)
	if p.dead.Load() {
		panic(http.ErrAbortHandler)
	}
}

func (w *world) living() []*process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*process(nil), w.alive...)
}

func (w *world) admit(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alive = append(w.alive, p)
}

func (w *world) dismiss(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, one := range w.alive {
		if one == p {
			w.alive = append(w.alive[:i:i], w.alive[i+1:]...)
			return
		}
	}
}

// changeGuard replaces all processes by one.
func (w *world) changeGuard(at pace) {
	before := w.living()
	w.start(at)
	for _, p := range before {
		p.stop()
	}
}

// chronicle is the world in a few lines.
func (w *world) chronicle() string {
	rows, err := w.books.QueryContext(w.ctx, "SELECT count(*), status, hold FROM orders GROUP BY 2, 3 ORDER BY 1 DESC")
	require.NoError(w, err)
	defer rows.Close()
	var ends []string
	for rows.Next() {
		var n, status, hold string
		require.NoError(w, rows.Scan(&n, &status, &hold))
		ends = append(ends, strings.TrimSpace(n+" "+status+" "+hold))
	}
	require.NoError(w, rows.Err())
	var recoveries string
	require.NoError(w, w.books.NewRaw("SELECT format('%s, %s cancelled, %s told', count(*), count(*) FILTER (WHERE state = 'cancelled'), coalesce(sum(delivered), 0)) FROM recoveries").Scan(w.ctx, &recoveries))
	var fetched, resent int
	for _, h := range w.people {
		fetched += len(h.acked)
	}
	for _, s := range w.shops {
		resent += len(s.resends)
	}
	return fmt.Sprintf("%d histories in %s of the world's time, %d tries of tasks by %d processes\nweather: %s\nends: %s\nrecoveries: %s; %d notices fetched and acknowledged, %d resent",
		w.size, w.since(), w.tries.Load(), w.births.Load(), w.weather, strings.Join(ends, ", "), recoveries, fetched, resent)
}

func (w *world) tried(tasks.Kind, string, time.Duration, time.Duration) { w.tries.Add(1) }

// since is a moment as a story tells it.
func (w *world) since() string {
	return time.Since(w.began).Truncate(100 * time.Millisecond).String()
}
