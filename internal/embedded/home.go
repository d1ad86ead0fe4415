package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// home is a server's directory, ours alone while the lock is held. The kernel
// drops the lock with this process, however it ends.
type home struct {
	dir       string // absolute, without symbolic links
	shown     string // as the caller wrote it
	temporary bool
	lock      *os.File
}

// errHeld is the lock of somebody alive.
var errHeld = errors.New("held")

// claim makes the directory when it is missing and locks it. What a killed
// process left running in it is ended first.
func claim(ctx context.Context, dir, server string) (*home, error) {
	h := &home{dir: dir, shown: dir}
	if dir == "" {
		sweep(ctx, server)
		made, err := os.MkdirTemp("", prefix(server))
		if err != nil {
			return nil, fmt.Errorf("make a temporary directory: %w", err)
		}
		h.dir, h.shown, h.temporary = made, "a temporary directory", true
	}
	if err := h.open(); err != nil || h.temporary {
		return h, err
	}
	if err := endStrays(ctx, h.dir); err != nil {
		h.release()
		return nil, err
	}
	return h, nil
}

func (h *home) open() (err error) {
	if h.dir, err = filepath.Abs(h.dir); err != nil {
		return fmt.Errorf("directory %s: %w", h.shown, err)
	}
	if err := os.MkdirAll(filepath.Dir(h.dir), 0o755); err != nil { //nolint:gosec // the server's account passes through it
		return fmt.Errorf("make directory: %w", err)
	}
	if err := os.Mkdir(h.dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make directory: %w", err)
	}
	if err := os.Chmod(h.dir, 0o700); err != nil { //nolint:gosec // a directory
		return fmt.Errorf("close directory to others: %w", err)
	}
	if h.dir, err = filepath.EvalSymlinks(h.dir); err != nil {
		return fmt.Errorf("directory %s: %w", h.shown, err)
	}
	h.lock, err = lock(h.path("lock"))
	if errors.Is(err, errHeld) {
		return fmt.Errorf("%s is in use by process %s: stop that one, or use another directory", h.shown, h.holder())
	}
	return err
}

func (h *home) path(name string) string { return filepath.Join(h.dir, name) }

func (h *home) holder() string {
	pid, err := os.ReadFile(h.path("lock"))
	if err != nil || len(pid) == 0 {
		return "?"
	}
	return strings.TrimSpace(string(pid))
}

// release gives the directory back, and removes it when it was temporary.
func (h *home) release() {
	if h.temporary {
		_ = os.RemoveAll(h.dir)
	}
	unlock(h.lock)
}

// pidFile holds the number of the server's process.
const pidFile = "pid"

func (h *home) note(p *process) {
	_ = os.WriteFile(h.path(pidFile), []byte(strconv.Itoa(p.cmd.Process.Pid)+"\n"), 0o600)
}

// lock takes the file for this process and writes our number into it.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errHeld
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	_ = f.Truncate(0)
	_, _ = fmt.Fprintln(f, os.Getpid())
	return f, nil
}

// unlock gives a lock back at once. To close the file is not enough: a process that
// is being started has it open too, until it runs its own program.
func unlock(f *os.File) {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	_ = f.Close()
}

func prefix(server string) string { return "orderflow-" + server + "-" }

// sweep removes temporary directories whose owners were killed. Those younger
// than a minute are left alone: they may be about to be locked.
func sweep(ctx context.Context, server string) {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix(server)+"*"))
	for _, dir := range left {
		info, err := os.Lstat(filepath.Join(dir, "lock"))
		if err != nil || !info.Mode().IsRegular() || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		held, err := lock(filepath.Join(dir, "lock"))
		if err != nil {
			continue
		}
		if endStrays(ctx, dir) == nil {
			_ = os.RemoveAll(dir)
		}
		unlock(held)
	}
}

// openLog starts the server's log anew: it tells of one run.
func (h *home) openLog(server string) (*os.File, error) {
	f, err := os.OpenFile(h.path(server+".log"), os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return f, nil
}

// tail is the end of the server's log, for an error's text.
func (h *home) tail(server string) string {
	const most = 2000
	f, err := os.Open(h.path(server + ".log"))
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > most {
		_, _ = f.Seek(-most, io.SeekEnd)
	}
	text, _ := io.ReadAll(io.LimitReader(f, most))
	return strings.TrimSpace(string(text))
}
