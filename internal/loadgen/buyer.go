package loadgen

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/orderflow/orderflow/producer/api"
)

// How a buyer waits for an order to change: 12 looks in some 45 s.
const (
	firstPause = 200 * time.Millisecond // doubles from look to look
	lastPause  = 6 * time.Second
	maxLooks   = 12
)

const channel = "sandbox"

var (
	errStopped = errors.New("the traffic has been stopped")
	errTooLong = errors.New("gave up waiting")
)

// buyer takes one order through its script. Each method is one step; none
// begins after Stop.
type buyer struct {
	t      *Traffic
	script script
	rng    *rand.Rand
	came   time.Time
	seller string
	order  *api.Order // as it was made; nil before
}

func (b *buyer) orderID() string {
	if b.order == nil {
		return ""
	}
	return b.order.ID
}

// step makes a call, unless the traffic has been stopped.
func (b *buyer) step(call func(context.Context) error) error {
	if b.t.open.Err() != nil {
		return errStopped
	}
	return call(b.t.calls)
}

// orders makes the order with its payment. Its latency counts from the moment
// the buyer came. within is the time to pay; 0 is the usual one.
func (b *buyer) orders(demo string, within time.Duration) error {
	return b.step(func(ctx context.Context) error {
		o, err := b.t.api.CreateOrder(ctx, b.wish(demo, within))
		if err != nil {
			return err
		}
		b.order = o
		b.t.counts.took(time.Since(b.came))
		return nil
	})
}

func (b *buyer) wish(demo string, within time.Duration) api.NewOrder {
	o := api.NewOrder{
		MerchantID: b.seller, BuyerID: fmt.Sprintf("b_%03d", b.rng.IntN(500)), Currency: "CNY", Channel: channel,
		Items:            []api.Item{{SKU: b.t.o.SKU, Name: "Tea", Quantity: 1 + b.rng.Int64N(2), UnitPrice: 100 * (5 + b.rng.Int64N(95))}},
		PayWithinSeconds: int64(within / time.Second),
		Metadata:         map[string]string{"script": b.script.name, "expect": b.script.ending},
	}
	if demo != "" {
		o.Metadata["demo"] = demo
	}
	return o
}

// isRefused asks for an order that cannot be.
func (b *buyer) isRefused(wrong api.NewOrder) error {
	return b.step(func(ctx context.Context) error {
		o, err := b.t.api.CreateOrder(ctx, wrong)
		if err == nil {
			return fmt.Errorf("order %s was made, though its request is wrong", o.ID)
		}
		if isProblem(err, api.Invalid) {
			return nil
		}
		return err
	})
}

func (b *buyer) opensAnother() (p *api.Payment, err error) {
	err = b.step(func(ctx context.Context) error {
		p, err = b.t.api.Pay(ctx, b.order.ID, channel)
		return err
	})
	return p, err
}

func (b *buyer) cancels() error {
	return b.step(func(ctx context.Context) error {
		_, err := b.t.api.Cancel(ctx, b.order.ID, "changed my mind")
		return err
	})
}

func (b *buyer) confirms() error {
	return b.step(func(ctx context.Context) error {
		_, err := b.t.api.Complete(ctx, b.order.ID)
		return err
	})
}

// asksBack asks for money of a delivered order.
func (b *buyer) asksBack(amount int64) error {
	return b.step(func(ctx context.Context) error {
		_, err := b.t.api.AskRefund(ctx, b.order.ID, api.NewRefund{Amount: amount, Reason: "not as it was described"})
		return err
	})
}

// awaits waits until the order has a status.
func (b *buyer) awaits(status string, after time.Duration) error {
	_, err := b.sees(status, after, func(o *api.Order) bool { return o.Status == status })
	return err
}

// sees looks at the order, after a first wait and then ever less often, until it
// is as wanted. When too many wait already, this one gives up.
func (b *buyer) sees(what string, after time.Duration, wanted func(*api.Order) bool) (*api.Order, error) {
	select {
	case b.t.waiting <- struct{}{}:
		defer func() { <-b.t.waiting }()
	default:
		return nil, fmt.Errorf("%w: %d buyers are waiting", errTooLong, cap(b.t.waiting))
	}
	if err := b.waits(after); err != nil {
		return nil, err
	}
	pause := firstPause
	for range maxLooks {
		if err := b.waits(pause); err != nil {
			return nil, err
		}
		o, err := b.looks()
		if err != nil {
			return nil, err
		}
		if wanted(o) {
			return o, nil
		}
		pause = min(2*pause, lastPause)
	}
	return nil, fmt.Errorf("%w: the order is not %s", errTooLong, what)
}

func (b *buyer) looks() (o *api.Order, err error) {
	err = b.step(func(ctx context.Context) error {
		o, err = b.t.api.Order(ctx, b.order.ID)
		return err
	})
	return o, err
}

func (b *buyer) waits(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-b.t.open.Done():
		return errStopped
	}
}

// pays sends the pay page's form. It is sent once: on a second one the page
// would only say that it is paid.
func (b *buyer) pays(p *api.Payment, how string) error {
	if p == nil || p.Action == nil {
		return fmt.Errorf("pay order %s: the API gave no link to pay at; is the sandbox channel on?", b.order.ID)
	}
	return b.step(func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Action.URL, strings.NewReader(how))
		if err != nil {
			return fmt.Errorf("pay order %s: %w", b.order.ID, err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := b.t.http.Do(req)
		if err != nil {
			return fmt.Errorf("pay order %s: %w", b.order.ID, err)
		}
		defer resp.Body.Close()
		if err := payRefused(resp); err != nil {
			return fmt.Errorf("pay order %s: %w", b.order.ID, err)
		}
		return nil
	})
}

// refusal is the pay page's no.
type refusal struct {
	status int
	code   string
}

func (r *refusal) Error() string {
	return "the pay page answered " + strconv.Itoa(r.status) + " " + r.code
}

// payRefused reads the pay page's answer; nil means paid.
func payRefused(resp *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // to the end, so that the connection is used again
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	var said struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(text, &said) // the status says enough
	return &refusal{resp.StatusCode, cmp.Or(said.Code, http.StatusText(resp.StatusCode))}
}

// isGone says that the payment was closed before the buyer paid.
func isGone(err error) bool {
	var no *refusal
	return errors.As(err, &no) && no.status == http.StatusGone
}

func isProblem(err error, t api.ProblemType) bool {
	var p *api.Problem
	return errors.As(err, &p) && p.Type == t
}
