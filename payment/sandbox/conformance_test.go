package sandbox_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/paymenttest"
	"github.com/orderflow/orderflow/payment/sandbox"
	"github.com/orderflow/orderflow/payment/simulator"
)

const secret = "dev_sandbox_secret"

func TestConformance(t *testing.T) {
	t.Parallel()
	paymenttest.Run(t, func(t *testing.T) paymenttest.Harness { return openHarness(t, simulator.Faults{}) })
}

// Some channels take no note of a close before the buyer came. The rest of
// Orderflow is ready for them, so the sandbox can be one.
func TestConformanceOfOneThatCannotCloseTheUnseen(t *testing.T) {
	t.Parallel()
	paymenttest.Run(t, func(t *testing.T) paymenttest.Harness { return openHarness(t, simulator.Faults{CloseUnseen: true}) })
}

// openHarness is the adapter and the simulator with a real HTTP server between
// them, and a second server that catches the callbacks. always is what goes
// wrong for everyone throughout.
func openHarness(t *testing.T, always simulator.Faults) paymenttest.Harness {
	t.Helper()
	caught := newInbox()
	catcher := httptest.NewServer(caught)
	t.Cleanup(catcher.Close)

	var sim *simulator.Simulator
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.StripPrefix("/sandbox", sim).ServeHTTP(w, r)
	}))
	base := "http://" + server.Listener.Addr().String() + "/sandbox"
	sim, err := simulator.New(simulator.Options{Secret: secret, BaseURL: base})
	require.NoError(t, err)
	require.NoError(t, sim.SetFaults(always))
	server.Start()
	t.Cleanup(server.Close)
	sim.Start()
	t.Cleanup(sim.Stop)

	channel, err := sandbox.New(sandbox.Options{BaseURL: base, Secret: secret, HTTP: server.Client()})
	require.NoError(t, err)
	return paymenttest.Harness{
		Channel: channel,
		Features: paymenttest.Features{
			LocalCreate: true, CloseUnseen: !always.CloseUnseen, CompleteNotices: true, BadEndings: true, TellsBalanceShort: true,
		},
		NotifyURL: catcher.URL + "/callback",
		Open:      func(t *testing.T, a payment.Action) { visit(t, server.Client(), http.MethodGet, a.URL) },
		Pay: func(t *testing.T, a payment.Action) bool {
			return visit(t, server.Client(), http.MethodPost, a.URL) == http.StatusOK
		},
		Notice: func(t *testing.T, no string) paymenttest.Raw { return caught.wait(t, no, 1) },
		Again: func(t *testing.T, no string) paymenttest.Raw {
			caught.wait(t, no, 1)
			require.True(t, sim.Resend(no))
			return caught.wait(t, no, 2)
		},
		Forge: forge,
		Fail: func(t *testing.T, how paymenttest.Failure) {
			kinds := map[paymenttest.Failure]simulator.GatewayFaultKind{
				paymenttest.Down: simulator.GatewayError, paymenttest.Throttled: simulator.GatewayThrottle,
				paymenttest.BalanceShort: simulator.GatewayBalanceShort, paymenttest.Lost: simulator.GatewayLost, paymenttest.Reset: simulator.GatewayReset, paymenttest.Hang: simulator.GatewayHang,
			}
			faults := always
			faults.Gateway = simulator.GatewayFault{Kind: kinds[how], Times: 1}
			require.NoError(t, sim.SetFaults(faults))
		},
		EndRefunds: func(t *testing.T, _ string, as payment.RefundState) {
			faults := always
			faults.Refund = as
			require.NoError(t, sim.SetFaults(faults))
		},
		Mend: func(t *testing.T, no string) { require.True(t, sim.Mend(no)) },
	}
}

func visit(t *testing.T, client *http.Client, method, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	return resp.StatusCode
}

func forge(t *testing.T, genuine paymenttest.Raw, how paymenttest.Forgery) paymenttest.Raw {
	t.Helper()
	forged := paymenttest.Raw{Header: genuine.Header.Clone(), Body: bytes.Clone(genuine.Body)}
	sign := func(secret string, at time.Time) {
		forged.Header.Set(sandbox.SignatureHeader, sandbox.Sign(secret, forged.Body, at))
	}
	switch how {
	case paymenttest.Unsigned:
		forged.Header.Del(sandbox.SignatureHeader)
	case paymenttest.Tampered:
		forged.Body = bytes.Replace(forged.Body, []byte(`"amount":1234`), []byte(`"amount":9234`), 1)
		require.NotEqual(t, genuine.Body, forged.Body)
	case paymenttest.Stranger:
		sign("another secret", time.Now())
	case paymenttest.Stale:
		sign(secret, time.Now().Add(-sandbox.Tolerance-2*time.Second))
	case paymenttest.Oversized:
		forged.Body = append(forged.Body, strings.Repeat(" ", sandbox.MaxBody)...)
		sign(secret, time.Now())
	}
	return forged
}

// inbox catches callbacks and takes each of them.
type inbox struct {
	mu      sync.Mutex
	caught  map[string][]paymenttest.Raw // by out_trade_no
	arrived chan struct{}                // closed, and made anew, at each arrival
}

func newInbox() *inbox {
	return &inbox{caught: map[string][]paymenttest.Raw{}, arrived: make(chan struct{})}
}

func (in *inbox) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, rest, _ := bytes.Cut(body, []byte(`"out_trade_no":"`))
	no, _, _ := bytes.Cut(rest, []byte(`"`))
	in.mu.Lock()
	defer in.mu.Unlock()
	in.caught[string(no)] = append(in.caught[string(no)], paymenttest.Raw{Header: r.Header, Body: body})
	close(in.arrived)
	in.arrived = make(chan struct{})
}

// wait waits until n callbacks of a payment have come, and returns the last.
func (in *inbox) wait(t *testing.T, outTradeNo string, n int) paymenttest.Raw {
	t.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	for {
		in.mu.Lock()
		got, arrived := in.caught[outTradeNo], in.arrived
		in.mu.Unlock()
		if len(got) >= n {
			return got[n-1]
		}
		select {
		case <-arrived:
		case <-limit.C:
			t.Fatalf("callback %d of %s did not come", n, outTradeNo)
		}
	}
}
