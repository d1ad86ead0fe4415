package dbtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Logical databases that tests use; 0 holds the locks.
const (
	sharedDatabases  = 15 // every server has so many
	privateDatabases = 63
)

const (
	lockTTL     = 30 * time.Second // of a killed test binary's locks
	lockRefresh = 5 * time.Second
)

// logical takes a logical database of the server for this test, empties it and
// gives it back at the test's end. Other test binaries do the same, so the
// locks are keys in database 0.
func logical(t testing.TB, server string, databases int) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" {
		t.Fatalf("test Redis: REDIS_URL: want redis://:password@host:port")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	l := &place{locks: open(t, u, 0), token: rand.Text()}
	t.Cleanup(func() { _ = l.locks.Close() })
	if err := l.take(ctx, databases); err != nil {
		t.Fatalf("test Redis on %s: %v", u.Host, err)
	}
	t.Cleanup(l.keep(t))
	own := open(t, u, l.number)
	defer own.Close()
	if err := own.FlushDB(ctx).Err(); err != nil {
		t.Fatalf("empty Redis database %d: %v", l.number, err)
	}
	return urlOf(u, l.number)
}

func urlOf(server *url.URL, number int) string {
	u := *server
	u.Path, u.RawPath = fmt.Sprintf("/%d", number), ""
	q := u.Query()
	q.Del("db")
	u.RawQuery = q.Encode()
	return u.String()
}

func open(t testing.TB, server *url.URL, number int) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(urlOf(server, number))
	if err != nil {
		t.Fatalf("test Redis: REDIS_URL: want redis://:password@host:port")
	}
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(o)
}

// place is the right to one logical database.
type place struct {
	locks  *redis.Client
	token  string
	number int
}

func (l *place) key() string { return fmt.Sprintf("orderflow:dbtest:%d", l.number) }

func (l *place) take(ctx context.Context, databases int) error {
	for {
		for l.number = 1; l.number <= databases; l.number++ {
			err := l.locks.SetArgs(ctx, l.key(), l.token, redis.SetArgs{Mode: "NX", TTL: lockTTL}).Err()
			if err == nil {
				return nil
			}
			if !errors.Is(err, redis.Nil) {
				return fmt.Errorf("take a database: %w", err)
			}
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("all %d databases are taken: %w", databases, err)
		}
	}
}

// ours guards a change of the lock: after a long sleep of this machine it may
// be another's.
const ours = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end `

// keep holds the place until the returned function gives it back.
func (l *place) keep(t testing.TB) (giveBack func()) {
	stop, wg := make(chan struct{}), sync.WaitGroup{}
	wg.Go(func() { l.refresh(t, stop) })
	return func() {
		close(stop)
		wg.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), lockRefresh)
		defer cancel()
		_ = l.locks.Eval(ctx, ours+`return redis.call('DEL', KEYS[1])`, []string{l.key()}, l.token).Err() // or its TTL does
	}
}

func (l *place) refresh(t testing.TB, stop <-chan struct{}) {
	ticker := time.NewTicker(lockRefresh)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), lockRefresh)
		held, err := l.locks.Eval(ctx, ours+`return redis.call('PEXPIRE', KEYS[1], ARGV[2])`,
			[]string{l.key()}, l.token, lockTTL.Milliseconds()).Int()
		cancel()
		if err == nil && held == 0 {
			t.Errorf("the lock of Redis database %d is gone: did a test FLUSHALL?", l.number)
			return
		}
	}
}
