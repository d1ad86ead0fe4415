package dbtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A place is a number for which a test holds an advisory lock on the server:
// it lasts as long as the connection, so a killed test binary gives it back.
// The number names the test's database, so the next one in its place finds what
// was left there, and places are as many as the server has room for connections.
const (
	placeLocks   = 0x6f660001 // first half of a place's lock; the place is the second
	templateLock = 0x6f660002 // held while a template is made; the second half is 0

	connsPerPlace = 17 // a DB's two pools, and the one that holds the place
	connsSpared   = 10
	mostPlaces    = 64
)

// clone makes a database for this test on the server.
func clone(t testing.TB, server string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	h, err := connect(ctx, server)
	if err != nil {
		t.Fatalf("test database: %v", err)
	}
	t.Cleanup(func() { h.close(t) })
	made, err := h.make(ctx)
	if err != nil {
		t.Fatalf("test database on %s: %v", h.where(), err)
	}
	return made
}

// host is a test's own connection to the server, with which it holds its place.
type host struct {
	conn *pgx.Conn
	url  *url.URL
	name string // of the test's database; empty until a place is held
}

func connect(ctx context.Context, server string) (*host, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, errors.New("DATABASE_URL: want postgres://user:password@host:port/database")
	}
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return nil, fmt.Errorf("connect to DATABASE_URL: %w", err)
	}
	return &host{conn: conn, url: u}, nil
}

func (h *host) where() string {
	c := h.conn.Config()
	return fmt.Sprintf("%s:%d/%s", c.Host, c.Port, c.Database)
}

// make gives the URL of a clean database in a place of its own.
func (h *host) make(ctx context.Context) (string, error) {
	place, err := h.takePlace(ctx)
	if err != nil {
		return "", err
	}
	h.name = h.named("test", place)
	template, err := h.template(ctx)
	if err != nil {
		return "", err
	}
	if h.recycle(ctx, template) {
		return h.urlOf(h.name), nil
	}
	if err := h.drop(ctx); err != nil {
		return "", fmt.Errorf("drop what an earlier test left: %w", err)
	}
	if err := h.copyOf(ctx, template); err != nil {
		return "", fmt.Errorf("copy %s: %w", template, err)
	}
	return h.urlOf(h.name), nil
}

// named is a database's name. It begins with the name of the database that we
// are connected to, as only those connected to the same see each other's locks.
func (h *host) named(what string, which any) string {
	return fmt.Sprintf("%.25s_%s_%v", h.conn.Config().Database, what, which)
}

func (h *host) takePlace(ctx context.Context) (int, error) {
	var room int
	if err := h.conn.QueryRow(ctx, "SELECT current_setting('max_connections')::int").Scan(&room); err != nil {
		return 0, fmt.Errorf("ask for max_connections: %w", err)
	}
	places := min(max(1, (room-connsSpared)/connsPerPlace), mostPlaces)
	for {
		for place := 1; place <= places; place++ {
			var taken bool
			err := h.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1, $2)", placeLocks, place).Scan(&taken)
			if err != nil {
				return 0, fmt.Errorf("take a place: %w", err)
			}
			if taken {
				return place, nil
			}
		}
		if err := pause(ctx); err != nil {
			return 0, fmt.Errorf("all %d places are taken: %w", places, err)
		}
	}
}

// copyOf tries again while somebody looks at the template, as a vacuum may.
func (h *host) copyOf(ctx context.Context, template string) error {
	for {
		_, err := h.conn.Exec(ctx, "CREATE DATABASE "+quote(h.name)+" TEMPLATE "+quote(template))
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "55006" { // object_in_use
			return err
		}
		if err := pause(ctx); err != nil {
			return errors.Join(refused, err)
		}
	}
}

func (h *host) drop(ctx context.Context) error {
	_, err := h.conn.Exec(ctx, "DROP DATABASE IF EXISTS "+quote(h.name)+" WITH (FORCE)")
	return err
}

// close gives the place back, with whoever is still connected cut off.
func (h *host) close(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if h.name != "" {
		if err := h.cutOff(ctx); err != nil {
			t.Errorf("end what is connected to test database %s: %v", h.name, err)
		}
		_, _ = h.conn.Exec(ctx, "SELECT pg_advisory_unlock_all()") // at once; the end of a connection takes the server a moment
	}
	_ = h.conn.Close(ctx)
}

func (h *host) urlOf(database string) string {
	u := *h.url
	u.Path, u.RawPath = "/"+database, ""
	return u.String()
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// pause waits a little for others, or for ctx's end.
func pause(ctx context.Context) error {
	select {
	case <-time.After(20 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
