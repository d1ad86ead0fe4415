package simulation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/internal/access"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
	"github.com/orderflow/orderflow/producer"
	"github.com/orderflow/orderflow/producer/relay"
	"github.com/orderflow/orderflow/tasks"
	"github.com/orderflow/orderflow/workers"
)

// process is one Orderflow with all its roles, put together as internal/app
// does it. It is stopped in good order, or killed.
type process struct {
	world *world
	name  string
	dead  atomic.Bool

	cable      *cable
	redis      *redis.Client
	db         *db.DB
	store      *mortal
	dispatcher *relay.Dispatcher
	relay      *relay.Relay
	workers    *workers.Server
	door       http.Handler
	end        sync.Once
}

// pace is how often a process looks for work. Looking costs real time, so it
// is slow while little happens.
type pace struct{ relay, check time.Duration }

var (
	lively = pace{relay: time.Second, check: time.Second}
	quiet  = pace{relay: 20 * time.Second, check: 10 * time.Second}
)

// start runs a new process and lets it in at the door.
func (w *world) start(at pace) *process {
	p := &process{world: w, name: fmt.Sprintf("process %d", w.births.Add(1)), cable: &cable{memory: w.memory}}
	var err error
	p.db, err = db.Open(w.ctx, named(w.url, p.name), 4, db.SealedBy(dbtest.Keys(w)))
	require.NoError(w, err)
	p.redis = p.cable.client()
	bell := workers.NewBell()
	p.dispatcher = relay.NewDispatcher(bell.Client(p.redis), zap.NewNop())
	p.store = &mortal{process: p, Store: db.NewStore(p.db, db.StoreOptions{Log: zap.NewNop(), Terms: w.terms, Dispatch: p.dispatch})}
	channels := p.channels()
	p.door, err = producer.New(producer.Options{
		Store: p.store, Admin: p.store, Guard: guard{}, Channels: channels, PublicURL: "https://" + doorHost, Now: time.Now,
	})
	require.NoError(w, err)
	p.relay = relay.Start(relay.Options{Outbox: p.store, Redis: p.redis, Dispatcher: p.dispatcher, Log: zap.NewNop(), Every: at.relay})
	list := workers.All(workers.Deps{
		Store: p.store, Channels: channels, Sender: merchant.NewNotifier(merchant.Options{Transport: line{p}}), Alerts: w.duty, Terms: w.terms, Keep: tasks.DefaultKeep(), Log: zap.NewNop(),
		NotifyURL: callbackURL, Now: time.Now,
	})
	p.workers, err = workers.Start(workers.Options{
		Redis: p.redis, Bell: bell, Log: zap.NewNop(), CheckInterval: at.check, DelayedInterval: at.check, ShutdownTimeout: 5 * time.Second, Tried: w.tried,
	}, p.store, w.rule.bend(list, p.store))
	require.NoError(w, err)
	w.admit(p)
	return p
}

// named gives a process's connections to the database its name.
func named(database, name string) string {
	u, err := url.Parse(database)
	if err != nil {
		panic("the test database's URL is one: " + err.Error())
	}
	q := u.Query()
	q.Set("application_name", name)
	u.RawQuery = q.Encode()
	return u.String()
}

func (p *process) channels() payment.Registry {
	box, err := sandbox.New(sandbox.Options{
		BaseURL: "https://" + channelHost, Secret: channelSecret, HTTP: &http.Client{Transport: line{p}, Timeout: 10 * time.Second},
	})
	require.NoError(p.world, err)
	list, err := payment.NewRegistry(box)
	require.NoError(p.world, err)
	return list
}

func callbackURL(channel string) string {
	return "https://" + doorHost + "/v1/channels/" + channel + "/callbacks"
}

// kill ends the process where it stands: from now on none of its calls reaches
// anybody, and of those under way none is answered. What is left of it in
// memory is cleared away.
func (p *process) kill() {
	p.dead.Store(true)
	p.cable.pull(true)
	p.world.dismiss(p)
	p.world.graves.Go(p.clear)
}

// stop ends the process in good order.
func (p *process) stop() {
	p.world.dismiss(p)
	p.clear()
}

func (p *process) clear() {
	p.end.Do(func() {
		p.relay.Stop()
		p.workers.Stop()
		p.dispatcher.Stop()
		p.store.Close()
		p.dead.Store(true) // handlers that asynq no longer waits for
		_ = p.redis.Close()
		_ = p.db.Close()
	})
}

// line is a process's way to the world.
type line struct{ *process }

// RoundTrip makes a call. The dead make none and hear no answer.
func (l line) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.dead.Load() {
		return nil, errCut
	}
	resp, err := l.world.net.RoundTrip(r)
	if l.dead.Load() && err == nil {
		_ = resp.Body.Close()
		return nil, errCut
	}
	return resp, err
}

// guard knows people by name: who may come in is tested elsewhere.
type guard struct{}

// Authenticate takes "app", "operator", or a merchant's id for a key.
func (guard) Authenticate(_ context.Context, r *http.Request) (access.Principal, error) {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !ok:
		return access.Principal{}, access.ErrNoKey
	case key == string(access.App), key == string(access.Operator):
		return access.Principal{Name: key, Role: access.Role(key)}, nil
	}
	return access.Principal{Name: key, Role: access.Merchant, MerchantID: key}, nil
}

// What a process's calls can end with.
var (
	errCut       = errors.New("the process is dead")
	errUncertain = errors.New("the connection broke; whether it was written is not certain")
)
