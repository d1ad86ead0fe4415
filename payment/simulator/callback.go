package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
)

// Callback is one event on its way to the merchant. Repeats of an event are
// callbacks of their own with the same event_id.
type Callback struct {
	Event       sandbox.Event `json:"event"`
	URL         string        `json:"url"`
	Due         time.Time     `json:"due"` // the next try
	Tries       int           `json:"tries,omitempty"`
	DeliveredAt time.Time     `json:"delivered_at,omitzero"` // when it was answered with 2xx
	GaveUp      bool          `json:"gave_up,omitempty"`     // the ladder has ended
}

// owed says whether the callback has yet to be delivered.
func (c *Callback) owed() bool { return c.DeliveredAt.IsZero() && !c.GaveUp }

// ladder is the wait after each failed try; after the last one the channel
// gives up, about five hours after the first.
func ladder() []time.Duration {
	return []time.Duration{
		time.Second, 3 * time.Second, 10 * time.Second, 30 * time.Second,
		time.Minute, 3 * time.Minute, 10 * time.Minute, 30 * time.Minute,
		time.Hour, time.Hour, 2 * time.Hour,
	}
}

// reorderHold is how long the fault reorder holds a payment's callback back.
const reorderHold = 2 * time.Minute

// emit plans an event's callbacks as the faults want them.
func (p *Payment) emit(e sandbox.Event, url string, f Faults, now time.Time) {
	if f.Drop {
		return
	}
	due := now.Add(time.Duration(f.Delay))
	if f.Reorder && e.Type == string(payment.PaymentSucceeded) {
		due = due.Add(reorderHold)
	}
	for range 1 + f.Duplicate {
		p.Callbacks = append(p.Callbacks, Callback{Event: e, URL: url, Due: due})
	}
	if f.Duplicate > 0 {
		e.EventID = newNumber()
		p.Callbacks = append(p.Callbacks, Callback{Event: e, URL: url, Due: due})
	}
}

// resend plans the latest event's callback once more.
func (p *Payment) resend(now time.Time) error {
	if len(p.Callbacks) == 0 {
		return &refused{http.StatusNotFound, "NO_CALLBACK", "the payment has no callback"}
	}
	last := p.Callbacks[len(p.Callbacks)-1]
	p.Callbacks = append(p.Callbacks, Callback{Event: last.Event, URL: last.URL, Due: now})
	return nil
}

// tried notes how a try ended. With the fault reorder a refund's callback that
// arrived is followed by the payment's, which is the older one.
func (p *Payment) tried(i int, failed error, general Faults, now time.Time) {
	c := &p.Callbacks[i]
	waits := ladder()
	c.Tries++
	switch {
	case failed == nil:
		c.DeliveredAt, p.Told = now.UTC(), true
	case c.Tries > len(waits):
		c.GaveUp = true
	default:
		c.Due = now.Add(waits[c.Tries-1])
	}
	if failed != nil || c.Event.Type != string(payment.RefundSucceeded) || !p.Faults.with(general).Reorder {
		return
	}
	for _, older := range p.Callbacks {
		if older.Event.Type == string(payment.PaymentSucceeded) {
			p.Callbacks = append(p.Callbacks, Callback{Event: older.Event, URL: older.URL, Due: now})
			return
		}
	}
}

// sending is the job that tries callback i of a payment once. A try that was
// ended by Stop does not count.
func (s *Simulator) sending(outTradeNo string, i int) func(context.Context) {
	return func(ctx context.Context) {
		p, ok := s.book.get(outTradeNo)
		if !ok || !p.Callbacks[i].owed() {
			return
		}
		failed := s.send(ctx, p.Callbacks[i])
		if failed != nil && ctx.Err() != nil {
			return
		}
		p, err := s.update(outTradeNo, func(p *Payment) error {
			p.tried(i, failed, s.Faults(), s.now())
			return nil
		})
		s.logTry(p.Callbacks[i], failed, err)
		if err == nil && p.Callbacks[i].owed() {
			s.queue.push(p.Callbacks[i].Due, s.sending(outTradeNo, i))
		}
	}
}

// send makes one try. Only 2xx means that the callback was taken.
func (s *Simulator) send(ctx context.Context, c Callback) error {
	body, err := json.Marshal(c.Event)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(sandbox.SignatureHeader, sandbox.Sign(s.secret, body, s.now()))
	resp, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, sandbox.MaxBody)) // lets the connection be used again
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the merchant answered %d", resp.StatusCode)
	}
	return nil
}

// logTry writes one line for a try. A fault of the journal's is ours, one of
// the merchant's is theirs.
func (s *Simulator) logTry(c Callback, failed, journal error) {
	log := s.log.With(zap.String("event_id", c.Event.EventID), zap.String("type", c.Event.Type),
		zap.String("out_trade_no", c.Event.OutTradeNo), zap.Int("tries", c.Tries))
	switch {
	case journal != nil:
		log.Error("sandbox callback: note the try", zap.Error(journal))
	case c.GaveUp:
		log.Warn("sandbox callback given up", zap.Error(failed))
	case failed != nil:
		log.Info("sandbox callback not taken", zap.Time("next", c.Due), zap.Error(failed))
	default:
		log.Debug("sandbox callback taken")
	}
}
