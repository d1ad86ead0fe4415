package producer

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/orderflow/orderflow/internal/seal"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

// probeTime leaves a call that sends two notices time to answer.
const probeTime = callTime - 2*time.Second

type probeOutput struct{ Body api.EndpointTest }

// testEndpoint sends an endpoint a test now, paused or not, and says what became
// of it. Nothing of it is kept.
func (s *server) testEndpoint(ctx context.Context, in *EndpointPath) (*probeOutput, error) {
	id, err := in.endpointID(callOf(ctx))
	if err != nil {
		return nil, err
	}
	e, err := s.opt.Admin.SigningEndpoint(ctx, in.ID, id, s.now())
	if err != nil {
		return nil, unopened(err)
	}
	if s.opt.Sender == nil {
		return nil, fault(api.Unavailable, "")
	}
	done, wait := s.probes.begin(id, s.now())
	if wait > 0 {
		return nil, fault(api.TooSoon, "").with("Retry-After", strconv.Itoa(int(wait.Round(time.Second).Seconds())))
	}
	defer done()
	limited, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	return &probeOutput{ProbeView(merchant.ProbeEndpoint(limited, s.opt.Sender.Send, e, s.now()))}, nil
}

// unopened says what to do about a secret that does not open.
func unopened(err error) error {
	var unknown *seal.UnknownKey
	if errors.As(err, &unknown) || errors.Is(err, seal.ErrAltered) || errors.Is(err, seal.ErrForm) {
		return &order.Refusal{Step: "test the endpoint", Why: "its secret cannot be decrypted by this installation: tell its operators, or rotate it with overlap_seconds 0"}
	}
	return err
}

// ProbeView is what an endpoint made of a test.
func ProbeView(p merchant.Probe) api.EndpointTest {
	v := api.EndpointTest{NoticeID: p.Test.ID, Body: p.Test.Body, Attempt: AttemptView(p.Test.ID, p.Signed), Verifies: string(p.Verifies)}
	if !p.Forged.At.IsZero() {
		forged := AttemptView(p.ForgedID, p.Forged)
		v.Forged = &forged
	}
	return v
}

// probes keeps tests rare: they call strangers at a stranger's word.
type probes struct {
	mu       sync.Mutex
	underway int
	last     map[merchant.EndpointID]time.Time // when one began, of each endpoint
}

const (
	probeEvery = 5 * time.Second // of one endpoint, and process
	probesMost = 16              // at once, of a process
)

// begin says that a test of an endpoint begins; done must be called when it has
// ended. Or how long to wait for it.
func (p *probes) begin(id merchant.EndpointID, now time.Time) (done func(), wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.underway >= probesMost {
		return nil, probeEvery
	}
	for other, at := range p.last {
		if now.Sub(at) >= probeEvery {
			delete(p.last, other)
		}
	}
	if at, tested := p.last[id]; tested {
		return nil, max(probeEvery-now.Sub(at), time.Second)
	}
	p.underway++
	p.last[id] = now
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.underway--
	}, 0
}
