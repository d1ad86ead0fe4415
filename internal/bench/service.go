package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/orderflow/orderflow/internal/embedded"
)

const (
	startTime = 30 * time.Second // until a service is ready
	stopTime  = 30 * time.Second // until it has ended, once asked
)

// service is the process that is measured.
type service struct {
	child *embedded.Child
	dir   string // where it runs: no settings file is found here by accident
	log   *os.File
}

// startService starts it and returns when it is ready.
func startService(ctx context.Context, sys system, s site) (_ *service, err error) {
	v := &service{}
	if v.dir, err = os.MkdirTemp("", "orderflow-bench-"); err != nil {
		return nil, fmt.Errorf("start %s: %w", sys.name(), err)
	}
	if v.log, err = os.Create(filepath.Join(v.dir, "log")); err != nil {
		v.tidy()
		return nil, fmt.Errorf("start %s: %w", sys.name(), err)
	}
	cmd := sys.command(s)
	cmd.Dir, cmd.Stdout, cmd.Stderr = v.dir, v.log, v.log
	if v.child, err = embedded.Start(cmd, syscall.SIGTERM); err != nil {
		v.tidy()
		return nil, fmt.Errorf("start %s: %w", sys.name(), err)
	}
	if err := v.ready(ctx, "http://"+s.addr+sys.ready()); err != nil {
		said := v.tail()
		_ = v.stop() // err says it better
		return nil, fmt.Errorf("start %s: %w: %s", sys.name(), err, said)
	}
	return v, nil
}

func (v *service) ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTime, fmt.Errorf("not ready within %s", startTime))
	defer cancel()
	for !answers(ctx, url) {
		select {
		case <-v.child.Done():
			return fmt.Errorf("it ended at once: %w", v.child.Err())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

func answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}

// stop ends the service in good order and says whether it was still there.
func (v *service) stop() (err error) {
	select {
	case <-v.child.Done():
		err = fmt.Errorf("the service ended by itself (%v): %s", v.child.Err(), v.tail()) //nolint:errorlint // an exit status, for people
	default:
		v.child.Stop(stopTime)
	}
	v.tidy()
	return err
}

func (v *service) tidy() {
	if v.log != nil {
		_ = v.log.Close()
	}
	_ = os.RemoveAll(v.dir)
}

// tail is the end of what the service said.
func (v *service) tail() string {
	const most = 2000
	text, _ := os.ReadFile(v.log.Name())
	return strings.TrimSpace(string(text[max(0, len(text)-most):]))
}
