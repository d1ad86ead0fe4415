package embedded

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// Redis starts a private redis-server or valkey-server, which keeps nothing
// unless it is to be durable, or a stand-in inside this process where neither is
// installed. ctx bounds the start alone.
func Redis(ctx context.Context, o Options) (*Server, error) {
	o = o.withDefaults()
	h, err := claim(ctx, o.Dir, "redis")
	if err != nil {
		return nil, fmt.Errorf("start Redis: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("not ready within %s", startLimit))
	defer cancel()
	s, err := serveRedis(ctx, h, o)
	if err != nil {
		h.release()
		return nil, fmt.Errorf("start Redis: %w", err)
	}
	return s, nil
}

func serveRedis(ctx context.Context, h *home, o Options) (*Server, error) {
	program := redisProgram(o.find)
	if program == "" {
		return standIn(h)
	}
	version, err := output(ctx, account{}.command(syscall.SIGKILL, h.dir, program, "--version"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	if version, err = versionOf(version); err != nil {
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	// Between finding a free port and using it somebody else may take it.
	for try := 1; ; try++ {
		r := &privateRedis{home: h, Options: o, program: program, password: rand.Text(), port: freePort()}
		p, err := r.start(ctx)
		if err == nil {
			return r.server(p, version), nil
		}
		if try == 5 || ctx.Err() != nil {
			return nil, fmt.Errorf("%s: %w", program, err)
		}
	}
}

func redisProgram(find func(string) []string) string {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if found := find(name); len(found) > 0 {
			return found[0]
		}
	}
	return ""
}

type privateRedis struct {
	*home
	Options
	program  string
	password string // keeps this machine's other accounts out
	port     uint32
}

// settings go through standard input: a command line could be read by all.
func (r *privateRedis) settings() string {
	return fmt.Sprintf(`bind 127.0.0.1
port %d
requirepass %s
databases 64
save ""
appendonly %s
appendfsync everysec
maxmemory-policy noeviction
daemonize no
`, r.port, r.password, r.appends())
}

func (r *privateRedis) appends() string {
	if r.Durable {
		return "yes"
	}
	return "no"
}

func (r *privateRedis) url() string {
	return fmt.Sprintf("redis://:%s@127.0.0.1:%d/0", r.password, r.port)
}

func (r *privateRedis) start(ctx context.Context) (*process, error) {
	log, err := r.openLog("redis")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := account{}.command(syscall.SIGKILL, r.dir, r.program, "-")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(r.settings()), log, log
	p, err := start(cmd)
	if err != nil {
		return nil, err
	}
	r.note(p)
	if err := r.ready(ctx, p); err != nil {
		stopRedis(p)
		return nil, err
	}
	return p, nil
}

// ready returns when the server answers to its password: another's on the same
// port would not.
func (r *privateRedis) ready(ctx context.Context, p *process) error {
	for {
		err := r.ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended at once (%w): %s", p.err, r.tail("redis"))
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// ping speaks the protocol itself: a client library would tell the world of
// every refusal before the server listens.
func (r *privateRedis) ping(ctx context.Context) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", r.port))
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintf(conn, "AUTH %s\r\n", r.password); err != nil {
		return err
	}
	answer, err := bufio.NewReader(io.LimitReader(conn, 1<<10)).ReadString('\n')
	if err == nil && answer != "+OK\r\n" {
		return fmt.Errorf("port %d: %s", r.port, strings.TrimSpace(answer))
	}
	return err
}

func (r *privateRedis) server(p *process, version string) *Server {
	watched := watch(p, func() {
		r.Log.Error("Redis ended by itself", zap.Error(p.err), zap.String("log", r.tail("redis")))
	})
	keeps := "keeping nothing"
	if r.Durable {
		keeps = "data in " + r.shown
	}
	return &Server{
		URL: r.url(), PID: p.cmd.Process.Pid,
		What: fmt.Sprintf("Redis %s of %s on port %d, %s", version, r.program, r.port, keeps),
		stop: func() {
			watched(func() { stopRedis(p) })
			_ = os.Remove(r.path(pidFile))
			r.release()
		},
	}
}

func stopRedis(p *process) { p.stop(request{syscall.SIGTERM, 5 * time.Second}) }
