package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// process is a child that ends with us. It is reaped by its own goroutine.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended, readable after done
}

// start runs cmd in a process group of its own, where Ctrl-C does not reach.
// The kernel signals a child when the thread that made it ends, so one thread
// is kept for it as long as it lives.
func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// run starts cmd and waits for its end; with ctx it is killed, its children too.
func run(ctx context.Context, cmd *exec.Cmd) error {
	p, err := start(cmd)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		p.kill()
		return context.Cause(ctx)
	}
}

// output runs cmd and gives what it printed.
func output(ctx context.Context, cmd *exec.Cmd) (string, error) {
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := run(ctx, cmd); err != nil {
		return "", errors.Join(err, firstLine(complaint.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

func firstLine(s string) error {
	if line, _, _ := strings.Cut(strings.TrimSpace(s), "\n"); line != "" {
		return errors.New(line)
	}
	return nil
}

// request is a signal and how long its effect is waited for.
type request struct {
	signal   syscall.Signal
	patience time.Duration
}

// stop asks for the end, more and more firmly, and returns when it has come.
func (p *process) stop(requests ...request) {
	for _, r := range requests {
		_ = p.cmd.Process.Signal(r.signal)
		select {
		case <-p.done:
			return
		case <-time.After(r.patience):
		}
	}
	p.kill()
}

func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// environment is ours without what would steer PostgreSQL elsewhere, and with
// a locale that every system has.
func environment() []string {
	env := []string{"LC_ALL=C"}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PG") && !strings.HasPrefix(v, "LC_") {
			env = append(env, v)
		}
	}
	return env
}

// endStrays ends the servers that still run in dir, which must be locked: a
// process that was killed on a system without a parent's death signal leaves
// them behind, and on Linux they may need a moment to follow it.
func endStrays(ctx context.Context, dir string) error {
	const patience = 250 // rounds of 20 ms
	for round := 0; ; round++ {
		pids := strays(dir)
		if len(pids) == 0 {
			return nil
		}
		switch {
		case round == 0:
			signalAll(pids, syscall.SIGQUIT)
		case round == patience:
			signalAll(pids, syscall.SIGKILL)
		case round > 2*patience:
			return fmt.Errorf("servers of an earlier run do not end: processes %v in %s", pids, dir)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

func signalAll(pids []int, s syscall.Signal) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, s)
	}
}

// pause sleeps for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
