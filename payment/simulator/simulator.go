// Package simulator is the sandbox channel's own side: a payment provider in
// one HTTP handler. It has a pay page for the buyer, a signed gateway for the
// merchant, callbacks with retries, and faults on demand. It takes no real
// money; its signatures are real.
//
//	GET  /pay/{token}  the pay page; from now on the channel knows the payment
//	POST /pay/{token}  the buyer pays; HTML for browsers, JSON for others
//	POST /gateway      signed calls: query, close, refund, query refund
//	POST /faults       a signed Faults sets what goes wrong for everyone
//	POST /mend         a signed Mending mends a buyer's account
//	GET  /             what there is, in plain text
//
// What it promises, because real channels do: a payment closed before anybody
// paid can never be paid, even one that was never opened; a refund happens once
// per out_refund_no, and all refunds together never exceed what was paid; a
// callback is repeated, as the same event, until it is answered with 2xx or the
// ladder ends.
//
// # Faults
//
// A fault is asked for by name when paying (fault=… as form field, query
// parameter or JSON member, several with commas) and is then that payment's, or
// it is set for everyone with POST /faults or SetFaults.
//
//	fault            Faults field     what happens
//	delay            Delay            callbacks leave later: delay=30s
//	duplicate        Duplicate        each callback leaves again times=2 more times, and once under a new event_id
//	drop             Drop             no callback ever leaves
//	reorder          Reorder          the payment's callback is held back for 2 m; after a refund's it comes (again)
//	wrong_amount     WrongAmount      the buyer pays one minor unit less, or one more when it was all; query agrees
//	late             Late             the payment is taken although it was closed or has expired
//	refund_pending   RefundAsks       refunds stay pending until asked about times=3 times
//	refund_slow      RefundDelay      refunds stay pending for delay=30s
//	refund_abnormal  Refund=abnormal  refunds end as abnormal, all or the first times=…: the buyer cannot be reached
//	refund_failed    Refund=failed    refunds end as failed, all or the first times=…: closed, no money moved
//	balance_short    BalanceShort     the payment's refunds are refused times=2 times: the merchant's balance is short
//	–                CloseUnseen      a payment that nobody has opened is not found by a close, and stays payable
//	–                Gateway.Kind     the gateway's next Times calls of Method (all, when not set):
//	                   error            are answered 503, nothing happened
//	                   throttle         are answered 429, nothing happened
//	                   balance_short    are refused as above, when they are refund.create
//	                   lost             are answered 502, but it happened
//	                   reset            lose their connection, but it happened
//	                   hang             are never answered, but it happened
//
// Trying an abnormal refund again counts as one of the times. It ends well when
// those are spent, or once the buyer's account was mended (Mend, POST /mend);
// the provider can also bring the money home by itself (BringHome).
//
// # Limits
//
// Bodies are read up to 64 KiB, a callback may take 10 s, and 64 are sent at
// once. Payments are kept in memory, and forgotten when nothing has happened to
// them, nor can, for Options.Keep: it is for development and tests. Asked about
// one that was forgotten, the channel has never heard of it.
package simulator

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Options are what the simulator needs.
type Options struct {
	Secret  string        // shared with the merchant
	BaseURL string        // the public URL that it is mounted under: http://127.0.0.1:8080/sandbox
	Journal string        // a file that keeps its state over restarts; empty: memory alone
	Keep    time.Duration // how long payments at rest are kept; 0: 6 h
	Log     *zap.Logger
	Now     func() time.Time
	HTTP    *http.Client // sends the callbacks; nil: one of its own
}

// callbackTimeout limits one callback with the default HTTP client.
const callbackTimeout = 10 * time.Second

// Simulator is the sandbox channel. It is an http.Handler for the paths above,
// without the prefix it is mounted under.
type Simulator struct {
	secret string
	base   string
	log    *zap.Logger
	now    func() time.Time
	http   *http.Client
	keep   time.Duration
	mux    *http.ServeMux
	page   *page
	book   *book
	queue  *queue

	mu     sync.Mutex // guards faults
	faults Faults
}

// New makes the channel and reads its journal. It answers at once; callbacks
// leave from Start on. Stop it in any case: it holds the journal open.
func New(o Options) (*Simulator, error) {
	u, err := url.Parse(o.BaseURL)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return nil, errors.New("sandbox simulator: BaseURL must be the http or https URL that it is mounted under")
	case o.Secret == "":
		return nil, errors.New("sandbox simulator: the secret is empty")
	case o.Keep < 0:
		return nil, errors.New("sandbox simulator: Keep must not be negative")
	}
	s := &Simulator{
		secret: o.Secret, base: strings.TrimRight(o.BaseURL, "/"),
		log: o.Log, now: o.Now, http: callbackClient(o.HTTP), page: newPage(), keep: cmp.Or(o.Keep, defaultKeep),
	}
	if s.log == nil {
		s.log = zap.NewNop()
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.queue = newQueue(s.now)
	if s.book, err = openBook(o.Journal, s.now(), s.forgettable()); err != nil {
		return nil, err
	}
	for _, p := range s.book.all() {
		s.schedule(Payment{}, p)
	}
	s.queue.push(s.now().Add(sweepEvery), s.sweep)
	s.mux = s.routes()
	return s, nil
}

// callbackClient follows no redirects: a callback is for the URL that the
// merchant signed.
func callbackClient(given *http.Client) *http.Client {
	client := http.Client{Timeout: callbackTimeout}
	if given != nil {
		client = *given
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

func (s *Simulator) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.serveIndex)
	mux.HandleFunc("GET /pay/{token}", s.serveOpen)
	mux.HandleFunc("POST /pay/{token}", s.servePay)
	mux.HandleFunc("POST /gateway", s.serveGateway)
	mux.HandleFunc("POST /faults", s.serveFaults)
	mux.HandleFunc("POST /mend", s.serveMend)
	return mux
}

// ServeHTTP answers buyers and the merchant.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Start begins to send callbacks. Starting again does nothing; a simulator that
// was stopped does not start again.
func (s *Simulator) Start() {
	if s.queue.start() {
		s.log.Info("sandbox channel sends callbacks", zap.String("base_url", s.base))
	}
}

// Stop lets callbacks on their way arrive for at most 3 s, ends those that
// still hang, waits for them, and closes the journal. What was not sent is sent
// after the next New with the same journal. It may be called again, and without
// Start.
func (s *Simulator) Stop() {
	s.queue.stop()
	if err := s.book.close(); err != nil {
		s.log.Error("sandbox channel: close the journal", zap.Error(err))
	}
}

// Payments is a copy of all payments, sorted by number, for reconciliation.
func (s *Simulator) Payments() []Payment { return s.book.all() }

// Payment is a copy of one payment.
func (s *Simulator) Payment(outTradeNo string) (Payment, bool) { return s.book.get(outTradeNo) }

// Resend sends a payment's latest callback once more, as a provider's "send
// again" button does. It says whether there was one.
func (s *Simulator) Resend(outTradeNo string) bool {
	_, err := s.update(outTradeNo, func(p *Payment) error { return p.resend(s.now()) })
	return err == nil
}

// update changes a payment, keeps the change, and plans what it made due. When
// change returns an error nothing is changed; the payment as it stands comes
// back in either case.
func (s *Simulator) update(outTradeNo string, change func(*Payment) error) (Payment, error) {
	before, after, err := s.book.update(outTradeNo, func(p *Payment) error {
		err := change(p)
		p.Changed = s.now().UTC().Truncate(time.Millisecond)
		return err
	})
	if err != nil {
		return before, err
	}
	s.schedule(before, after)
	return after, nil
}

// schedule plans the callbacks and the slow refunds that after has and before
// has not.
func (s *Simulator) schedule(before, after Payment) {
	for i := len(before.Callbacks); i < len(after.Callbacks); i++ {
		if c := after.Callbacks[i]; c.owed() {
			s.queue.push(c.Due, s.sending(after.OutTradeNo, i))
		}
	}
	for i, r := range after.Refunds {
		waited := i < len(before.Refunds) && before.Refunds[i].waitsForTime()
		if r.waitsForTime() && !waited {
			s.queue.push(r.SettleAt, s.settling(after.OutTradeNo, r.OutRefundNo))
		}
	}
}
