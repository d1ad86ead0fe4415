package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/orderflow/orderflow/internal/embedded"
	"github.com/orderflow/orderflow/internal/ident"
)

// ground is what a measurement stands on: the two servers. It may serve several
// runs, one after another, each on a fresh database.
type ground struct {
	database string // given, or the private one's
	redis    string
	keep     bool // the database is somebody's: measure on it, and make none
	say      func(string, ...any)

	postgres, redisServer *embedded.Server // nil: given
	statements            bool             // they are counted
	admin                 *pgx.Conn        // to the database that was there first
	cache                 *redis.Client
	fresh                 string // the name of this run's database
	cleanups              []func()
}

// durable is PostgreSQL as it is run where data matter, with room for a load:
// fsync, synchronous_commit and full_page_writes are on because nothing here
// turns them off. Files of its log are kept and written again.
var durable = []string{"shared_buffers=1GB", "max_wal_size=4GB", "min_wal_size=4GB", "max_connections=300", "track_io_timing=off"}

// counting has the statements counted; it costs a little of each.
var counting = []string{"shared_preload_libraries=pg_stat_statements", "pg_stat_statements.track=top"}

// open starts the servers that nobody named and looks at those that somebody
// did.
func (g *ground) open(ctx context.Context, statements bool) (err error) {
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	g.say("starting PostgreSQL and Redis")
	if err := g.openPostgres(ctx, statements); err != nil {
		return err
	}
	return g.openRedis(ctx)
}

func (g *ground) openPostgres(ctx context.Context, statements bool) (err error) {
	if g.database == "" {
		if err := g.startPostgres(ctx, statements); err != nil {
			return err
		}
		g.database = g.postgres.URL
	}
	if g.admin, err = pgx.Connect(ctx, g.database); err != nil {
		return fmt.Errorf("measure on PostgreSQL: %w", err)
	}
	g.cleanups = append(g.cleanups, func() { _ = g.admin.Close(context.WithoutCancel(ctx)) })
	if statements {
		_, err := g.admin.Exec(ctx, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
		if err == nil {
			_, err = g.admin.Exec(ctx, "SELECT count(*) FROM pg_stat_statements")
		}
		g.statements = err == nil
	}
	return nil
}

// startPostgres tries with the extension first: not every installation has it.
func (g *ground) startPostgres(ctx context.Context, statements bool) (err error) {
	tries := [][]string{durable}
	if statements {
		tries = [][]string{slices.Concat(durable, counting), durable}
	}
	for _, settings := range tries {
		g.postgres, err = embedded.PostgreSQL(ctx, embedded.Options{Durable: true, TCP: true, Settings: settings})
		if err == nil {
			g.cleanups = append(g.cleanups, g.postgres.Stop)
			return nil
		}
	}
	return err
}

func (g *ground) openRedis(ctx context.Context) (err error) {
	if g.redis == "" {
		if g.redisServer, err = embedded.Redis(ctx, embedded.Options{Durable: true}); err != nil {
			return err
		}
		g.cleanups = append(g.cleanups, g.redisServer.Stop)
		if g.redisServer.InProcess {
			return errors.New("there is no redis-server or valkey-server on this machine: install one, or name one with REDIS_URL")
		}
		g.redis = g.redisServer.URL
	}
	o, err := redis.ParseURL(g.redis)
	if err != nil {
		return fmt.Errorf("redis URL: %w", err)
	}
	o.DisableIdentity, o.MaintNotificationsConfig = true, &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	g.cache = redis.NewClient(o)
	g.cleanups = append(g.cleanups, func() { _ = g.cache.Close() })
	n, err := g.cache.DBSize(ctx).Result()
	if err == nil && n > 0 && !g.keep {
		err = fmt.Errorf("it has %d keys: name an empty one, it is cleared afterwards", n)
	}
	if err != nil {
		return fmt.Errorf("measure on Redis: %w", err)
	}
	return nil
}

// clear makes a fresh database and an empty Redis, and returns the database's
// URL. The one before is dropped.
func (g *ground) clear(ctx context.Context) (string, error) {
	if g.keep {
		return g.database, nil
	}
	if err := g.drop(ctx); err != nil {
		return "", err
	}
	g.fresh = "orderflow_bench_" + ident.New[ground]().Compact()
	if _, err := g.admin.Exec(ctx, "CREATE DATABASE "+g.fresh); err != nil {
		g.fresh = ""
		return "", fmt.Errorf("make a fresh database: %w", err)
	}
	g.checkpoint(ctx)
	return named(g.database, g.fresh)
}

func (g *ground) drop(ctx context.Context) error {
	if g.fresh != "" {
		if _, err := g.admin.Exec(ctx, "DROP DATABASE "+g.fresh+" WITH (FORCE)"); err != nil {
			return fmt.Errorf("drop the database of the run before: %w", err)
		}
		g.fresh = ""
	}
	return g.forget(ctx)
}

// rest is between two runs on one database: Redis forgets, and what the one
// before wrote is put on disk.
func (g *ground) rest(ctx context.Context) error {
	if err := g.forget(ctx); err != nil {
		return err
	}
	g.checkpoint(ctx)
	return nil
}

// checkpoint is so that the run before costs the next one nothing; not everybody
// may ask for it.
func (g *ground) checkpoint(ctx context.Context) { _, _ = g.admin.Exec(ctx, "CHECKPOINT") }

// What a load writes at most into PostgreSQL's log, in its files of 16 MiB.
const (
	logsPerSecond = 3
	mostLogs      = 4 << 30 / (16 << 20) // durable's min_wal_size
)

// wearIn has a server of ours write its way through as many files of its log as
// a load takes that lasts so long, so that it has them: to make one holds up every
// commit for some 15 ms. A server that has run for a while writes its old ones
// again.
func (g *ground) wearIn(ctx context.Context, load time.Duration) error {
	if g.postgres == nil {
		return nil
	}
	files := min(int(math.Ceil(load.Seconds()*logsPerSecond)), mostLogs)
	_, err := g.admin.Exec(ctx, fmt.Sprintf(`DO $$ BEGIN
		FOR i IN 1..%d LOOP
			PERFORM pg_logical_emit_message(false, 'orderflow bench', ''); -- an empty file is not left
			PERFORM pg_switch_wal();
		END LOOP;
	END $$`, files))
	if err != nil {
		return fmt.Errorf("have PostgreSQL make the files of its log: %w", err)
	}
	g.checkpoint(ctx)
	return nil
}

func (g *ground) forget(ctx context.Context) error {
	if g.cache == nil {
		return nil
	}
	if err := g.cache.FlushDB(ctx).Err(); err != nil {
		return fmt.Errorf("clear Redis: %w", err)
	}
	return nil
}

// close drops what was made and ends what was started.
func (g *ground) close() {
	if g.admin != nil && !g.keep {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := g.drop(ctx); err != nil {
			g.say("%v", err)
		}
	}
	for i := len(g.cleanups) - 1; i >= 0; i-- {
		g.cleanups[i]()
	}
	g.cleanups = nil
}

// named is a database's URL with another name.
func named(url, database string) (string, error) {
	rest, query, asks := strings.Cut(url, "?")
	scheme, place, ok := strings.Cut(rest, "://")
	if !ok {
		return "", errors.New("DATABASE_URL must be of the form postgres://user@host:5432/name")
	}
	host, _, _ := strings.Cut(place, "/")
	url = scheme + "://" + host + "/" + database
	if asks {
		url += "?" + query
	}
	return url, nil
}

// freeAddr is an address of loopback that nobody listens on.
func freeAddr(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}
