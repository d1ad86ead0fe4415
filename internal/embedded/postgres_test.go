package embedded

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest"
)

func startPostgres(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := PostgreSQL(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	return s
}

// ask runs one query and gives its only value as text.
func ask(t *testing.T, url, query string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	rows, err := conn.Query(t.Context(), query, pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
	answer, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return strings.Join(answer, " ")
}

// safety are the settings that a power cut asks for.
const safety = `SELECT concat_ws(' ', current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes'))`

func TestPostgreSQLStartsAndEndsWithoutATrace(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	s, err := PostgreSQL(t.Context(), Options{})
	require.NoError(t, err)
	dir := ask(t, s.URL, "SHOW data_directory")
	require.Contains(t, s.What, "PostgreSQL "+ask(t, s.URL, "SELECT split_part(current_setting('server_version'), ' ', 1)"))
	require.Contains(t, s.What, "a temporary directory")
	require.Equal(t, "off off off", ask(t, s.URL, safety))
	require.Equal(t, "orderflow UTF8 C", ask(t, s.URL,
		"SELECT datname || ' ' || pg_encoding_to_char(encoding) || ' ' || datcollate FROM pg_database WHERE datname = current_database()"))
	require.Empty(t, ask(t, s.URL, "SHOW listen_addresses"), "nobody else may reach it")

	s.Stop()
	s.Stop()
	require.NoDirExists(t, filepath.Dir(dir))
	_, err = pgx.Connect(t.Context(), s.URL)
	require.Error(t, err)
	goleak.VerifyNone(t, leaks)
}

// One directory through a developer's days.
func TestPostgreSQLKeepsItsData(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), ".orderflow", "postgres")
	durable := Options{Dir: dir, Durable: true}

	s := startPostgres(t, durable)
	require.Equal(t, "on on on", ask(t, s.URL, safety))
	ask(t, s.URL, "CREATE TABLE kept (word text)")

	_, err := PostgreSQL(t.Context(), durable)
	require.ErrorContains(t, err, fmt.Sprintf("%s is in use by process %d", dir, os.Getpid()), "a second start is refused")
	ask(t, s.URL, "INSERT INTO kept VALUES ('once')")
	s.Stop()
	require.Empty(t, strays(dir))
	require.FileExists(t, filepath.Join(dir, "postgres.log"))

	c := startChild(t, order{Server: "postgres", Dir: dir})
	ask(t, c.url, "INSERT INTO kept VALUES ('twice')")
	require.NotEmpty(t, strays(dir))
	c.kill(t)
	noneLeft(t, dir)

	c = startChild(t, order{Server: "postgres", Dir: dir})
	ask(t, c.url, "INSERT INTO kept VALUES ('thrice')")
	c.kill(t)
	s = startPostgres(t, durable) // at once: nobody waits for the old server
	require.Equal(t, "once twice thrice", ask(t, s.URL, "SELECT word FROM kept"))
	s.Stop()
	require.Empty(t, strays(dir))
}

// One directory through all that can go wrong with it, in turn.
func TestPostgreSQLMishaps(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "postgres")
	o := Options{Dir: dir}
	in := func(name string) string { return filepath.Join(dir, name) }

	t.Run("the context ends within initdb", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := PostgreSQL(ctx, o)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		noneLeft(t, dir)
	})
	t.Run("initdb was killed", func(t *testing.T) {
		require.NoError(t, os.MkdirAll(in("data.new/base"), 0o700))
		startPostgres(t, o).Stop()
	})
	t.Run("the dead server's number is in use again", func(t *testing.T) {
		who, err := owners(in("data"))
		require.NoError(t, err)
		sleeper, err := start(who[0].command(syscall.SIGKILL, "/", "sleep", "60"))
		require.NoError(t, err)
		defer sleeper.kill()
		for _, stale := range []string{in("data/postmaster.pid"), socketIn(dir) + ".lock"} {
			text := fmt.Sprintf("%d\n%s\n1700000000\n5432\n%s\n\n", sleeper.cmd.Process.Pid, in("data"), dir)
			require.NoError(t, os.WriteFile(stale, []byte(text), 0o600))
			require.NoError(t, os.Chown(stale, who[0].uid, who[0].gid))
		}
		startPostgres(t, o).Stop()
	})
	t.Run("it dies by itself", func(t *testing.T) {
		seen := make(chan zapcore.Entry, 1)
		logged := o
		logged.Log = zaptest.NewLogger(t, zaptest.Level(zapcore.ErrorLevel),
			zaptest.WrapOptions(zap.Hooks(func(e zapcore.Entry) error { seen <- e; return nil })))
		s := startPostgres(t, logged)
		text, err := os.ReadFile(in(pidFile))
		require.NoError(t, err)
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		require.Equal(t, "PostgreSQL ended by itself", (<-seen).Message)
		s.Stop()
		require.Empty(t, strays(dir))
		startPostgres(t, o).Stop()
	})
	t.Run("its settings are broken", func(t *testing.T) {
		conf, err := os.ReadFile(in("data/postgresql.conf"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(in("data/postgresql.conf"), append(conf, "\nno_such_setting = 1\n"...), 0))
		_, err = PostgreSQL(t.Context(), o)
		require.ErrorContains(t, err, `unrecognized configuration parameter "no_such_setting"`)
		require.Empty(t, strays(dir))
	})
	t.Run("the data are another version's", func(t *testing.T) {
		require.NoError(t, os.WriteFile(in("data/PG_VERSION"), []byte("9\n"), 0))
		_, err := PostgreSQL(t.Context(), o)
		require.ErrorContains(t, err, "holds data of PostgreSQL 9, but found only")
		require.ErrorContains(t, err, "DATABASE_URL")
	})
}

func TestPostgreSQLIsMissing(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	mirror := httptest.NewServer(http.NotFoundHandler())
	defer mirror.Close()
	_, err := PostgreSQL(t.Context(), Options{find: nothing, mirror: mirror.URL, cache: t.TempDir()})
	require.ErrorContains(t, err, "no PostgreSQL on this machine")
	for _, way := range []string{"install it: ", "DATABASE_URL=", "docker compose up"} {
		require.ErrorContains(t, err, way)
	}
	left, err := filepath.Glob(filepath.Join(temporary, "orderflow-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestPostgreSQLInALongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 25), "a path, with more")
	s := startPostgres(t, Options{Dir: dir})
	require.Equal(t, "1", ask(t, s.URL, "SELECT '1'"))
	socket := ask(t, s.URL, "SHOW unix_socket_directories")
	require.Less(t, len(socketIn(socket)), longestSocket)
	s.Stop()
	require.NoDirExists(t, socket)
}

func TestPostgreSQLOverTCPAsksForThePassword(t *testing.T) {
	t.Parallel()
	s := startPostgres(t, Options{Durable: true, TCP: true, Settings: []string{"shared_buffers=64MB"}})
	require.Equal(t, "on on on", ask(t, s.URL, safety))
	require.Equal(t, "64MB", ask(t, s.URL, "SHOW shared_buffers"))
	require.Equal(t, "127.0.0.1", ask(t, s.URL, "SHOW listen_addresses"))
	require.NoError(t, syscall.Kill(s.PID, 0), "it tells its process")

	stranger, err := pgx.ParseConfig(s.URL)
	require.NoError(t, err)
	stranger.Password = ""
	_, err = pgx.ConnectConfig(t.Context(), stranger)
	require.Error(t, err, "other accounts of this machine stay out")
}
