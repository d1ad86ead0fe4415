package dbtest

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/embedded"
)

func TestMain(m *testing.M) { Main(m) }

func TestCleanDatabases(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"one", "two", "three", "four", "five", "six"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := New(t)
			steps, err := d.Migrations(t.Context())
			require.NoError(t, err)
			for _, s := range steps {
				require.True(t, s.Applied, s.Name)
			}
			// The same row in all: each must be alone.
			_, err = d.ExecContext(t.Context(), "INSERT INTO merchants (id) VALUES ('m_1')")
			require.NoError(t, err)
		})
	}
}

func TestCleanRedis(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"one", "two", "three", "four", "five", "six"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := client(t, Redis(t))
			require.Zero(t, c.DBSize(t.Context()).Val())
			require.NoError(t, c.Set(t.Context(), "mine", name, 0).Err())
			require.Equal(t, name, c.Get(t.Context(), "mine").Val())
		})
	}
}

func client(t *testing.T, server string) *redis.Client {
	t.Helper()
	u, err := url.Parse(server)
	require.NoError(t, err)
	require.NotEqual(t, "/", u.Path)
	o, err := redis.ParseURL(server)
	require.NoError(t, err)
	c := open(t, u, o.DB)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Several test binaries use the servers that the environment names, none of
// which has a template yet.
func TestBinariesShareServers(t *testing.T) {
	t.Parallel()
	postgres, err := embedded.PostgreSQL(t.Context(), embedded.Options{})
	require.NoError(t, err)
	t.Cleanup(postgres.Stop)
	cache, err := embedded.Redis(t.Context(), embedded.Options{})
	require.NoError(t, err)
	t.Cleanup(cache.Stop)

	for _, name := range []string{"one", "two", "three"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestClean", "-test.v")
			cmd.Env = append(os.Environ(), "DATABASE_URL="+postgres.URL, "REDIS_URL="+cache.URL)
			said, err := cmd.CombinedOutput()
			require.NoError(t, err, string(said))
			require.Contains(t, string(said), "--- PASS: TestCleanDatabases/six")
		})
	}
	t.Cleanup(func() {
		require.Zero(t, ask[int](t, postgres.URL, "SELECT count(*) FROM pg_database WHERE datname ~ '_new$'"), "every template is complete")
		require.Zero(t, ask[int](t, postgres.URL, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), "all places are given back")
		u, err := url.Parse(cache.URL)
		require.NoError(t, err)
		locks := open(t, u, 0)
		defer locks.Close()
		require.Zero(t, locks.DBSize(context.WithoutCancel(t.Context())).Val(), "all given back")
	})
}

// What a test leaves behind is not there for the next, whether its database is
// emptied or made anew.
func TestWhatATestLeaves(t *testing.T) {
	t.Parallel()
	s, err := embedded.PostgreSQL(t.Context(), embedded.Options{})
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	const emptied, anew = true, false
	for _, tc := range []struct {
		leaves  string
		becomes bool
		look    string // true in a clean database
	}{
		{"SELECT 1", emptied, "true"},
		{"INSERT INTO merchants (id) VALUES ('m_left')", emptied, "NOT EXISTS (SELECT FROM merchants)"},
		{
			"INSERT INTO stock_sets (merchant_id, sku, delta, on_hand, actor, at) VALUES ('m', 's', 1, 1, 'a', now())", emptied,
			"NOT EXISTS (SELECT FROM stock_sets) AND (SELECT last_value = 1 AND NOT is_called FROM stock_sets_id_seq)",
		},
		{"CREATE TABLE one (id int)", anew, "to_regclass('one') IS NULL"},
		{"CREATE SCHEMA one", anew, "to_regnamespace('one') IS NULL"},
		{"DROP TABLE notices CASCADE", anew, "to_regclass('notices') IS NOT NULL"},
		{"ALTER TABLE merchants ADD COLUMN one int", anew, "NOT EXISTS (SELECT FROM pg_attribute WHERE attname = 'one')"},
		{"ALTER TABLE stock_moves DISABLE TRIGGER USER", anew, "NOT EXISTS (SELECT FROM pg_trigger WHERE tgenabled = 'D')"},
		{"ALTER TABLE merchants ALTER fee_bps SET DEFAULT 77", anew, "(SELECT column_default <> '77' FROM information_schema.columns WHERE table_name = 'merchants' AND column_name = 'fee_bps')"},
		{"CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'", anew, "to_regproc('one') IS NULL"},
		{"DELETE FROM goose_db_version", anew, "EXISTS (SELECT FROM goose_db_version)"},
		{"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 12345', current_database()); END $$", anew, "current_setting('work_mem') <> '12345kB'"},
	} {
		t.Run(tc.leaves, func(t *testing.T) {
			one, err := connect(t.Context(), s.URL)
			require.NoError(t, err)
			left, err := one.make(t.Context())
			require.NoError(t, err)
			const which = "SELECT oid FROM pg_database WHERE datname = current_database()"
			before := ask[uint32](t, left, which)
			conn, err := pgx.Connect(t.Context(), left)
			require.NoError(t, err)
			_, err = conn.Exec(t.Context(), tc.leaves)
			require.NoError(t, err)
			one.close(t)
			require.Error(t, conn.Ping(t.Context()), "whoever is still connected is cut off")

			next := clone(t, s.URL)
			require.Equal(t, left, next, "the same place")
			require.True(t, ask[bool](t, next, "SELECT "+tc.look))
			require.Equal(t, tc.becomes, before == ask[uint32](t, next, which), "it is the same database")
		})
	}
}

func ask[T any](t *testing.T, database, question string) (v T) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // also in a clean-up
	conn, err := pgx.Connect(ctx, database)
	require.NoError(t, err)
	defer conn.Close(ctx)
	require.NoError(t, conn.QueryRow(ctx, question).Scan(&v))
	return v
}

func TestDatabaseOfAKilledTestIsReplaced(t *testing.T) {
	t.Parallel()
	s, err := embedded.PostgreSQL(t.Context(), embedded.Options{})
	require.NoError(t, err)
	t.Cleanup(s.Stop)

	killed, err := connect(t.Context(), s.URL)
	require.NoError(t, err)
	left, err := killed.make(t.Context())
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), left)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "INSERT INTO merchants (id) VALUES ('m_left')")
	require.NoError(t, err)
	pid := killed.conn.PgConn().PID()
	require.NoError(t, killed.conn.Close(t.Context())) // all that a kill does
	require.Eventually(t, func() bool {                // the server notices a moment later
		var there bool
		err := conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = $1)", pid).Scan(&there)
		return err == nil && !there
	}, patience, 5*time.Millisecond)

	again := clone(t, s.URL)
	require.Equal(t, left, again, "the same place")
	require.Zero(t, ask[int](t, again, "SELECT count(*) FROM merchants"))
	require.Error(t, conn.Ping(t.Context()), "whoever was connected is cut off")
}

func TestDatabaseServerNotUsable(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ server, want string }{
		"another kind": {"mysql://root@localhost/x", "want postgres://"},
		"not there":    {"postgres://u:secret@127.0.0.1:1/x", "connect to DATABASE_URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := connect(t.Context(), tc.server)
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestRedisPlaces(t *testing.T) {
	t.Parallel()
	s, err := embedded.Redis(t.Context(), embedded.Options{})
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	locks := open(t, u, 0)
	t.Cleanup(func() { _ = locks.Close() })

	t.Run("who comes last waits for the first to go", func(t *testing.T) {
		first, second, last := &place{locks: locks, token: "a"}, &place{locks: locks, token: "b"}, &place{locks: locks, token: "c"}
		require.NoError(t, first.take(t.Context(), 2))
		giveBack := first.keep(t)
		require.NoError(t, second.take(t.Context(), 2))
		defer second.keep(t)()
		require.NotEqual(t, first.number, second.number)

		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		require.ErrorContains(t, last.take(ctx, 2), "all 2 databases are taken")
		giveBack()
		require.NoError(t, last.take(t.Context(), 2))
		require.Equal(t, first.number, last.number)
		last.keep(t)()
	})
	t.Run("nobody gives another's back", func(t *testing.T) {
		late := &place{locks: locks, token: "late"}
		require.NoError(t, late.take(t.Context(), 1))
		require.Positive(t, locks.PTTL(t.Context(), late.key()).Val(), "a killed holder's lock ends by itself")
		require.NoError(t, locks.Set(t.Context(), late.key(), "another", 0).Err())
		late.keep(t)()
		require.Equal(t, "another", locks.GetDel(t.Context(), late.key()).Val())
	})
	t.Run("what was left there is gone", func(t *testing.T) {
		dirty := open(t, u, 1)
		defer dirty.Close()
		require.NoError(t, dirty.Set(t.Context(), "left", "over", 0).Err())
		c := client(t, logical(t, s.URL, 1))
		require.Equal(t, 1, c.Options().DB)
		require.Zero(t, c.DBSize(t.Context()).Val())
	})
}

func TestFingerprintTellsSchemasApart(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for name, files := range map[string]fstest.MapFS{
		"one file":    {"1.sql": {Data: []byte("a")}},
		"other text":  {"1.sql": {Data: []byte("b")}},
		"other name":  {"2.sql": {Data: []byte("a")}},
		"two files":   {"1.sql": {Data: []byte("a")}, "2.sql": {}},
		"moved bound": {"1.sql": {}, "2.sql": {Data: []byte("a")}},
	} {
		sum, err := fingerprint(files)
		require.NoError(t, err)
		require.Empty(t, seen[sum], name)
		seen[sum] = name
		require.Len(t, sum, 16, "it is part of a database's name")
	}
}
