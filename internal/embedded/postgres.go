package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"
)

// startLimit bounds every start: a large database may have to replay its log.
const startLimit = time.Minute

const (
	pgUser     = "orderflow"
	pgDatabase = "orderflow"
	socketPort = "5432" // only a part of the socket's name
)

// PostgreSQL starts a private server with an empty database "orderflow", or
// with what an earlier run left in the same directory. ctx bounds the start
// alone. An error says what to do next.
func PostgreSQL(ctx context.Context, o Options) (_ *Server, err error) {
	o = o.withDefaults()
	h, err := claim(ctx, o.Dir, "postgres")
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("not ready within %s", startLimit))
	defer cancel()
	c, err := assemble(ctx, h, o)
	if err != nil {
		h.release()
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	if o.TCP {
		c.openToTCP()
	}
	p, err := c.start(ctx)
	if err != nil {
		c.cleanUp()
		return nil, fmt.Errorf("start PostgreSQL of %s in %s: %w", c.bin, h.shown, err)
	}
	watched := watch(p, func() { c.died(p) })
	return &Server{URL: c.publicURL(), What: c.what(), PID: p.cmd.Process.Pid, stop: func() {
		watched(func() { c.stop(p) })
		c.cleanUp()
	}}, nil
}

// cluster is one server's programs, account and files.
type cluster struct {
	*home
	Options
	bin     string // the programs' directory
	version string // of the programs
	as      account
	socket  string // the socket's directory
	port    string // of the socket's name; a real one with TCP

	password string // of those who come by TCP
}

func (c *cluster) data() string { return c.path("data") }

// fresh says that there are no data yet. They appear at once and complete.
func (c *cluster) fresh() bool {
	_, err := os.Stat(c.data())
	return errors.Is(err, os.ErrNotExist)
}

func (c *cluster) start(ctx context.Context) (*process, error) {
	if c.fresh() {
		if err := c.initialise(ctx); err != nil {
			return nil, err
		}
	}
	if err := c.makeSocketDir(); err != nil {
		return nil, err
	}
	// Whoever wrote these is dead, but its number may be in use again, and then
	// PostgreSQL would not start.
	_ = os.Remove(filepath.Join(c.data(), "postmaster.pid"))
	p, err := c.serve()
	if err != nil {
		return nil, err
	}
	if err := c.ready(ctx, p); err != nil {
		c.stop(p)
		return nil, err
	}
	return p, nil
}

// initialise makes the data beside their place and moves them there when they
// are complete.
func (c *cluster) initialise(ctx context.Context) error {
	made := c.path("data.new")
	if err := os.RemoveAll(made); err != nil {
		return fmt.Errorf("remove a half-made database: %w", err)
	}
	args := []string{"-D", made, "-U", pgUser, "-E", "UTF8", "--no-locale", "--auth-local=trust", "--auth-host=scram-sha-256"}
	if !c.Durable {
		args = append(args, "--no-sync")
	}
	log, err := c.openLog("postgres")
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := c.as.command(syscall.SIGKILL, c.dir, filepath.Join(c.bin, "initdb"), args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := run(ctx, cmd); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, c.tail("postgres"))
	}
	return os.Rename(made, c.data())
}

// serve starts the server. Its settings travel on the command line, so that
// the same data may be served with others tomorrow.
func (c *cluster) serve() (*process, error) {
	log, err := c.openLog("postgres")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	// SIGQUIT: the server takes its children along, even those at work.
	cmd := c.as.command(syscall.SIGQUIT, c.dir, filepath.Join(c.bin, "postgres"), c.settings()...)
	cmd.Stdout, cmd.Stderr = log, log
	p, err := start(cmd)
	if err == nil {
		c.note(p)
	}
	return p, err
}

func (c *cluster) settings() []string {
	settings := []string{
		"listen_addresses=" + c.listens(), "port=" + c.port, "unix_socket_directories=" + c.socket,
		"max_connections=200", "shared_buffers=128MB", "log_checkpoints=off", "logging_collector=off",
	}
	if !c.Durable {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	settings = append(settings, c.Settings...)
	args := []string{"-D", c.data()}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	return args
}

// ready returns when the server answers and has our database.
func (c *cluster) ready(ctx context.Context, p *process) error {
	for {
		conn, err := pgx.Connect(ctx, c.url("postgres"))
		if err == nil {
			return errors.Join(ensureDatabase(ctx, conn), c.ensurePassword(ctx, conn), conn.Close(ctx))
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended at once (%w): %s", p.err, c.tail("postgres"))
		case <-ctx.Done():
			return fmt.Errorf("%w: %w: %s", context.Cause(ctx), err, c.tail("postgres"))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func ensureDatabase(ctx context.Context, conn *pgx.Conn) error {
	var there bool
	err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", pgDatabase).Scan(&there)
	if err != nil || there {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgDatabase)
	return err
}

func (c *cluster) stop(p *process) {
	// Fast: clients are cut off. Immediate: the next start replays the log.
	p.stop(request{syscall.SIGINT, 10 * time.Second}, request{syscall.SIGQUIT, 6 * time.Second})
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if err := endStrays(ctx, c.dir); err != nil {
		c.Log.Error("stop PostgreSQL", zap.Error(err))
	}
}

func (c *cluster) died(p *process) {
	c.Log.Error("PostgreSQL ended by itself", zap.Error(p.err), zap.String("log", c.tail("postgres")))
}

func (c *cluster) cleanUp() {
	if c.socket != "" && c.socket != c.dir {
		_ = os.RemoveAll(c.socket)
	}
	c.release()
}

func (c *cluster) what() string {
	s := fmt.Sprintf("PostgreSQL %s of %s, data in %s", c.version, c.bin, c.shown)
	if c.as.name != "" {
		s += ", run as " + c.as.name
	}
	return s
}
