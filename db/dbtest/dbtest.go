// Package dbtest gives every test a clean migrated database and a clean Redis
// of its own, so that tests run in parallel from their first line.
//
// With DATABASE_URL and REDIS_URL it uses those servers, which any number of
// test binaries may share, and leaves databases there: their names begin with
// that of the one named and go on with _test_ or _template_. Else it uses private
// ones that last as long as the test binary. A package whose tests use it says
//
//	func TestMain(m *testing.M) { dbtest.Main(m) }
//
// so that the private servers end in good order; without it they end too, with
// the process. Where no server can be had the test fails and says why: nothing
// is ever skipped.
package dbtest

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/embedded"
	"github.com/orderflow/orderflow/internal/seal"
)

// patience is how long a test waits for a place on a server.
const patience = 5 * time.Minute

// poolSize is of bun's pool in a test; the store's own comes on top.
const poolSize = 8

// New is a clean migrated database for this test, closed at its end.
func New(t testing.TB) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), URL(t), poolSize, db.SealedBy(Keys(t)))
	if err != nil {
		t.Fatalf("open test database: %v", err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// Waits returns when somebody waits for a lock in d's database.
func Waits(t testing.TB, d *db.DB) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(time.Minute); ; <-look.C {
		n, err := d.NewSelect().Table("pg_stat_activity").Where("datname = current_database() AND wait_event_type = 'Lock'").Count(t.Context())
		switch {
		case err != nil:
			t.Fatalf("who waits for a lock: %v", err)
		case n == 1:
			return
		case time.Now().After(end):
			t.Fatalf("%d wait for a lock, want 1", n)
		}
	}
}

// Keys seal merchants' secrets in tests. They are always the same.
func Keys(t testing.TB) *seal.Keyring {
	t.Helper()
	keys, err := seal.New(seal.Key{ID: "test", Secret: [seal.KeySize]byte{1}})
	if err != nil {
		t.Fatalf("test keys: %v", err)
	}
	return keys
}

// URL is the same as a URL. Whoever is still connected at the test's end is cut
// off. The database stays, for a test after this one.
func URL(t testing.TB) string {
	t.Helper()
	server := os.Getenv("DATABASE_URL")
	if server == "" {
		server = private.postgres.get(t, embedded.PostgreSQL).URL
	}
	return clone(t, server)
}

// Redis is the URL of a clean Redis for this test: a logical database, so clear
// it with FLUSHDB and leave FLUSHALL alone. Publish and subscribe know no
// logical databases: channels are shared with other tests.
func Redis(t testing.TB) string {
	t.Helper()
	if server := os.Getenv("REDIS_URL"); server != "" {
		return logical(t, server, sharedDatabases)
	}
	s := private.redis.get(t, embedded.Redis)
	if s.InProcess {
		return standIn(t)
	}
	return logical(t, s.URL, privateDatabases)
}

// standIn is a server inside this process for one test.
func standIn(t testing.TB) string {
	t.Helper()
	s, err := embedded.Redis(t.Context(), embedded.Options{})
	if err != nil {
		t.Fatalf("test Redis: %v", err)
	}
	t.Cleanup(s.Stop)
	return s.URL
}

// Main runs the tests, ends the private servers and exits.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for a package that has more to do before it exits.
func Run(m *testing.M) int {
	defer private.redis.stop()
	defer private.postgres.stop()
	return m.Run()
}

// private are this test binary's servers, started by the first test that needs
// them. They belong to the process, as its tests share nothing else.
var private struct{ postgres, redis server }

type server struct {
	mu      sync.Mutex
	running *embedded.Server
	err     error
}

func (s *server) get(t testing.TB, start func(context.Context, embedded.Options) (*embedded.Server, error)) *embedded.Server {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil && s.err == nil {
		s.running, s.err = start(context.Background(), embedded.Options{})
	}
	if s.err != nil {
		t.Fatalf("test server: %v", s.err)
	}
	return s.running
}

func (s *server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		s.running.Stop()
	}
}
