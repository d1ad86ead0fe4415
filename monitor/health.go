package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Check is one dependency of the process.
type Check struct {
	Name string
	// Do asks it. Its context ends after two seconds.
	Do func(context.Context) error
	// Spare says that the process still does its main work without it: its
	// failure is shown, and requests go on being sent here.
	Spare bool
	// Advice is what to do when it fails. Strangers can read it: say nothing in
	// it about this installation.
	Advice string
}

const (
	checkFresh = time.Second
	checkLimit = 2 * time.Second
)

// Health answers probes. Whoever can reach the port may ask, without a key, so
// an answer has names, ok or not, and a class of failure; the cause goes to
// the log.
type Health struct {
	checks   []*watched
	troubles *troubles
	stopping atomic.Bool
	watching sync.WaitGroup
	leave    chan struct{} // closed by Stop
}

// watched is a Check with its last answer: how long it took.
type watched struct {
	Check
	reading[time.Duration]
}

// NewHealth makes a Health over some checks. Nothing is asked before the first
// probe, or Watch.
func NewHealth(log *zap.Logger, checks ...Check) *Health {
	h := &Health{troubles: newTroubles(log), leave: make(chan struct{})}
	for _, c := range checks {
		h.checks = append(h.checks, &watched{c, reading[time.Duration]{
			fresh: checkFresh, limit: checkLimit,
			ask: func(ctx context.Context) (time.Duration, error) {
				start := time.Now()
				err := c.Do(ctx)
				return time.Since(start), err
			},
		}})
	}
	return h
}

// Live answers /healthz: 200 while the process can answer at all. It asks no
// dependency: restarting this process would not mend another.
func (h *Health) Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, report{Status: "ok"})
	})
}

// Ready answers /readyz: 200 when every check passes, or only a spare one
// fails, which makes the process degraded; else 503.
func (h *Health) Ready() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		r, code := report{Status: "ready", Checks: h.ask()}, http.StatusOK
		for _, f := range r.Checks {
			switch {
			case f.OK:
			case !f.spare:
				r.Status, code = "not ready", http.StatusServiceUnavailable
			case code == http.StatusOK:
				r.Status = "degraded"
			}
		}
		answer(w, code, r)
	})
}

// Watch asks by itself, at once and then every so often until Stop, so that the
// log says what is away though nobody probes.
func (h *Health) Watch(every time.Duration) {
	h.watching.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			h.ask()
			select {
			case <-tick.C:
			case <-h.leave:
				return
			}
		}
	})
}

// Stop makes the process not ready from here on, so that no new work is sent
// to it, and ends the checks. Call it first when shutting down.
func (h *Health) Stop() {
	if !h.stopping.Swap(true) {
		close(h.leave)
	}
	h.watching.Wait()
	h.each(func(_ int, c *watched) { c.stop() })
}

type report struct {
	Status string    `json:"status"`
	Checks []finding `json:"checks,omitempty"`
}

type finding struct {
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Millis  int64  `json:"ms"`
	Failure string `json:"failure,omitempty"` // a class
	Do      string `json:"do,omitempty"`

	spare bool
}

// ask runs all checks beside each other.
func (h *Health) ask() []finding {
	if h.stopping.Load() {
		return []finding{{Name: "process", Failure: "stopping", Do: "send requests to another process"}}
	}
	found := make([]finding, len(h.checks))
	h.each(func(i int, c *watched) { found[i] = h.find(c) })
	return found
}

func (h *Health) each(do func(int, *watched)) {
	var all sync.WaitGroup
	for i, c := range h.checks {
		all.Go(func() { do(i, c) })
	}
	all.Wait()
}

func (h *Health) find(c *watched) finding {
	took, err := c.get()
	h.troubles.note(c.Name, err, zap.String("do", c.Advice))
	if err == nil {
		return finding{Name: c.Name, OK: true, Millis: took.Milliseconds()}
	}
	if errors.Is(err, errSlow) {
		took = checkLimit
	}
	return finding{Name: c.Name, Millis: took.Milliseconds(), Failure: classOf(err), Do: c.Advice, spare: c.Spare}
}

// classOf says of an error what a stranger may know.
func classOf(err error) string {
	var network net.Error
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "timeout"
	case errors.As(err, &op), errors.As(err, &dns):
		return "unreachable"
	}
	return "failed"
}

func answer(w http.ResponseWriter, code int, r report) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(r) // whoever asked has gone: nobody to tell
}
