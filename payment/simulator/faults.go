package simulator

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
)

// Faults is what goes wrong, for one payment or for everyone. The package
// comment has the table.
type Faults struct {
	Delay       Duration `json:"delay,omitempty"`
	Duplicate   int      `json:"duplicate,omitempty"`
	Drop        bool     `json:"drop,omitempty"`
	Reorder     bool     `json:"reorder,omitempty"`
	WrongAmount bool     `json:"wrong_amount,omitempty"`
	Late        bool     `json:"late,omitempty"`

	RefundAsks   int                 `json:"refund_asks,omitempty"`
	RefundDelay  Duration            `json:"refund_delay,omitempty"`
	Refund       payment.RefundState `json:"refund,omitempty"`        // abnormal or failed; empty: done
	RefundTimes  int                 `json:"refund_times,omitempty"`  // how many refunds of a payment end so; 0: all
	BalanceShort int                 `json:"balance_short,omitempty"` // how often the refunds of a payment are refused

	// For everyone only.
	CloseUnseen bool         `json:"close_unseen,omitempty"`
	Gateway     GatewayFault `json:"gateway,omitzero"`
}

// GatewayFault is what happens to calls of the gateway.
type GatewayFault struct {
	Kind   GatewayFaultKind `json:"kind,omitempty"`
	Method string           `json:"method,omitempty"` // sandbox.MethodQuery …; empty: every one
	Times  int              `json:"times,omitempty"`  // how many calls; 0: until set otherwise
}

// GatewayFaultKind is a way in which a call goes wrong.
type GatewayFaultKind string

// The ways in which a call goes wrong. After the first three nothing has
// happened; after the others it has, and the caller does not know. A short
// balance is of refund.create alone: other calls neither suffer nor count.
const (
	GatewayError        GatewayFaultKind = "error"
	GatewayThrottle     GatewayFaultKind = "throttle"
	GatewayBalanceShort GatewayFaultKind = "balance_short"
	GatewayLost         GatewayFaultKind = "lost"
	GatewayReset        GatewayFaultKind = "reset"
	GatewayHang         GatewayFaultKind = "hang"
)

// Duration is a time.Duration that JSON writes as "30s".
type Duration time.Duration

// MarshalText writes "30s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads "30s".
func (d *Duration) UnmarshalText(b []byte) error {
	parsed, err := time.ParseDuration(string(b))
	*d = Duration(parsed)
	return err
}

// What a fault may ask for at most.
const (
	maxDelay = Duration(24 * time.Hour)
	maxTimes = 100
)

// SetFaults sets what goes wrong for everyone from now on; the zero value ends
// it. What is already on its way keeps its faults.
func (s *Simulator) SetFaults(f Faults) error {
	if err := f.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
	return nil
}

// Faults is what goes wrong for everyone now.
func (s *Simulator) Faults() Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}

// takeGatewayFault says how a call of method goes wrong, and counts it.
func (s *Simulator) takeGatewayFault(method string) GatewayFaultKind {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &s.faults.Gateway
	if g.Method != "" && g.Method != method || g.Kind == GatewayBalanceShort && method != sandbox.MethodRefund {
		return ""
	}
	kind := g.Kind
	if g.Times == 1 {
		*g = GatewayFault{}
	} else if g.Times > 1 {
		g.Times--
	}
	return kind
}

// serveFaults sets the faults for everyone from a signed body.
func (s *Simulator) serveFaults(w http.ResponseWriter, r *http.Request) {
	var f Faults
	if err := s.readSigned(w, r, &f); err != nil {
		s.refuse(w, err)
		return
	}
	if err := s.SetFaults(f); err != nil {
		s.refuse(w, &refused{http.StatusBadRequest, "BAD_REQUEST", err.Error()})
		return
	}
	s.answerSigned(w, http.StatusOK, f)
}

func (f Faults) check() error {
	kinds := []GatewayFaultKind{"", GatewayError, GatewayThrottle, GatewayBalanceShort, GatewayLost, GatewayReset, GatewayHang}
	endings := []payment.RefundState{"", payment.RefundDone, payment.RefundFailed, payment.RefundAbnormal}
	outside := func(d Duration) bool { return d < 0 || d > maxDelay }
	many := func(counts ...int) bool { return slices.Min(counts) < 0 || slices.Max(counts) > maxTimes }
	switch {
	case outside(f.Delay) || outside(f.RefundDelay):
		return errors.New("a delay is between 0s and 24h")
	case many(f.Duplicate, f.RefundAsks, f.RefundTimes, f.BalanceShort, f.Gateway.Times):
		return fmt.Errorf("a number of times is between 0 and %d", maxTimes)
	case !slices.Contains(endings, f.Refund):
		return errors.New("refund is done, abnormal or failed")
	case !slices.Contains(kinds, f.Gateway.Kind):
		return errors.New("gateway.kind is error, throttle, balance_short, lost, reset or hang")
	}
	return nil
}

// with is f beside g: whatever either of them wants happens; how refunds end is
// f's to say when it says anything. What is for everyone only is nobody's in
// particular and stays out of it.
func (f Faults) with(g Faults) Faults {
	ends := f
	if f.Refund == "" {
		ends = g
	}
	return Faults{
		Delay:        max(f.Delay, g.Delay),
		Duplicate:    max(f.Duplicate, g.Duplicate),
		Drop:         f.Drop || g.Drop,
		Reorder:      f.Reorder || g.Reorder,
		WrongAmount:  f.WrongAmount || g.WrongAmount,
		Late:         f.Late || g.Late,
		RefundAsks:   max(f.RefundAsks, g.RefundAsks),
		RefundDelay:  max(f.RefundDelay, g.RefundDelay),
		Refund:       ends.Refund,
		RefundTimes:  ends.RefundTimes,
		BalanceShort: max(f.BalanceShort, g.BalanceShort),
	}
}
