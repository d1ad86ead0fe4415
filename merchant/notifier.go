package merchant

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// Timeouts bound the parts of one try; what is zero has the default named.
type Timeouts struct {
	Connect  time.Duration // name look-up and connection: 2 s
	TLS      time.Duration // handshake: 3 s
	Header   time.Duration // from the whole notice sent to the answer's headers: 10 s
	Exchange time.Duration // all of it, with the answer's body: 15 s
}

func (t Timeouts) withDefaults() Timeouts {
	return Timeouts{
		Connect:  cmp.Or(t.Connect, 2*time.Second),
		TLS:      cmp.Or(t.TLS, 3*time.Second),
		Header:   cmp.Or(t.Header, 10*time.Second),
		Exchange: cmp.Or(t.Exchange, 15*time.Second),
	}
}

// Options of a Notifier; the zero value is production's.
type Options struct {
	// AllowLoopback opens http, any port and private addresses. For development
	// and tests: in production it would let a merchant's URL reach inside.
	AllowLoopback bool
	Timeouts      Timeouts
	// MaxIdlePerHost is how many connections to one merchant are kept open
	// between notices: 16 when zero.
	MaxIdlePerHost int
	// Transport carries the exchanges in place of the network. Whoever sets it
	// answers for where they go: the guard of addresses is in our own.
	Transport http.RoundTripper
	Log       *zap.Logger
}

// Notifier sends notices. It is safe for concurrent use.
type Notifier struct {
	allowLoopback bool
	timeouts      Timeouts
	dialer        net.Dialer
	reach         func(ctx context.Context, network, addr string) (net.Conn, error) // by the dialer, or by what a test puts around it
	tls           *tls.Config
	transport     http.RoundTripper
	log           *zap.Logger
}

// NewNotifier makes a Notifier. Close it when done.
func NewNotifier(o Options) *Notifier {
	n := &Notifier{
		allowLoopback: o.AllowLoopback,
		timeouts:      o.Timeouts.withDefaults(),
		log:           o.Log,
		// A resumed session spares a merchant's endpoint most of the handshake.
		tls: &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(1024)},
	}
	if n.log == nil {
		n.log = zap.NewNop()
	}
	n.dialer.Timeout, n.dialer.ControlContext, n.reach = n.timeouts.Connect, n.control, n.dialer.DialContext
	if !n.allowLoopback {
		n.dialer.Control = newGuard(noticePort).Safe
	}
	n.transport = o.Transport
	if n.transport == nil {
		n.transport = n.newTransport(cmp.Or(o.MaxIdlePerHost, 16))
	}
	return n
}

// newTransport speaks HTTP/1.1 only: one exchange per connection, so a stuck
// one holds up no other. It asks no proxy: one inside our network would dial
// addresses that the guard refuses.
func (n *Notifier) newTransport(idlePerHost int) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  nil,
		Protocols:              protocols,
		DialContext:            n.dial,
		DialTLSContext:         n.dialTLS,
		ResponseHeaderTimeout:  n.timeouts.Header,
		MaxResponseHeaderBytes: maxAnswer,
		DisableCompression:     true,
		MaxIdleConns:           2048,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        50 * time.Second, // below the 60 s at which common load balancers hang up
	}
}

func (n *Notifier) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := n.connect(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

func (n *Notifier) connect(ctx context.Context, network, addr string) (*connection, error) {
	var w way
	began := time.Now()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSDone: func(httptrace.DNSDoneInfo) { w.dns = time.Since(began) },
	})
	var passed atomic.Bool
	conn, err := n.reach(context.WithValue(ctx, passedKey{}, &passed), network, addr)
	w.connect = time.Since(began) - w.dns
	if guarded(err) && passed.Load() { // the error is of the first address that failed
		err = errOthersFailed
	}
	if err != nil {
		w.remote = triedAddress(err)
		return nil, &stepError{connecting, err, w}
	}
	w.remote = addrPort(conn.RemoteAddr())
	return &connection{conn, w}, nil
}

// passedKey is where a connection's context keeps whether the guard has let one of
// the host's addresses pass.
type passedKey struct{}

// errOthersFailed is of a host that leads to a blocked address, and to others.
var errOthersFailed = errors.New("one of its addresses is private or reserved, and the others do not answer")

// control asks the guard before each connection to an address.
func (n *Notifier) control(ctx context.Context, network, address string, c syscall.RawConn) error {
	if n.dialer.Control == nil {
		return nil
	}
	err := n.dialer.Control(network, address, c)
	if passed, ok := ctx.Value(passedKey{}).(*atomic.Bool); ok && err == nil {
		passed.Store(true)
	}
	return err
}

// dialTLS does the handshake here, and not in the transport, so that its
// failures are known for what they are.
func (n *Notifier) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := n.connect(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if err := n.secure(ctx, conn, addr); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// secure puts TLS over a connection.
func (n *Notifier) secure(ctx context.Context, conn *connection, addr string) (err error) {
	config := n.tls.Clone()
	if config.ServerName, _, err = net.SplitHostPort(addr); err != nil {
		return &stepError{handshaking, err, conn.way}
	}
	ctx, cancel := context.WithTimeout(ctx, n.timeouts.TLS)
	defer cancel()
	began, secured := time.Now(), tls.Client(conn.Conn, config)
	err = secured.HandshakeContext(ctx)
	conn.way.tls = time.Since(began)
	if err != nil {
		return &stepError{handshaking, err, conn.way}
	}
	conn.Conn = secured
	return nil
}

// Send makes one try. It always returns an Attempt that can be logged, within
// the Exchange timeout or when ctx ends. When ctx is canceled the Attempt is
// Stopped, which is no fault of the merchant's.
func (n *Notifier) Send(ctx context.Context, e Endpoint, notice Notice) Attempt {
	a := Attempt{EndpointID: e.ID, At: time.Now().UTC()}
	err := n.exchange(ctx, e, notice, &a)
	a.Duration = time.Since(a.At)
	if err == nil {
		a.OK = true
		return a
	}
	class, why := classify(ctx, err, a.Duration)
	a.Error = string(class) + ": " + why
	if class == Blocked {
		n.log.Warn("notice blocked by the address guard", zap.Stringer("endpoint_id", e.ID),
			zap.String("merchant_id", e.MerchantID), zap.String("notice_id", notice.ID), zap.Error(err))
	}
	return a
}

func (n *Notifier) exchange(ctx context.Context, e Endpoint, notice Notice, a *Attempt) error {
	ctx, cancel := context.WithTimeout(ctx, n.timeouts.Exchange)
	defer cancel()
	t := newTrace(a.At)
	req, err := n.request(httptrace.WithClientTrace(ctx, &t.hooks), e, notice, a.At)
	if err != nil {
		return err
	}
	resp, err := n.transport.RoundTrip(req)
	t.note(a, err)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	a.HTTPStatus = resp.StatusCode
	broken := a.Answer.read(resp)
	if err := judgeStatus(resp, a); err != nil {
		return err
	}
	if broken != nil {
		return broken
	}
	return judgeAck(e.Ack, a)
}

func (n *Notifier) request(ctx context.Context, e Endpoint, notice Notice, at time.Time) (*http.Request, error) {
	if err := CheckURL(e.URL, n.allowLoopback); err != nil {
		return nil, &failure{Blocked, err.Error()}
	}
	signature, err := Sign(e.Secrets, notice.ID, at, notice.Body)
	if err != nil {
		return nil, &failure{Secret, err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader(notice.Body))
	if err != nil {
		return nil, &failure{Blocked, "this is not a URL"}
	}
	req.Header = requestHeader(notice.ID, at)
	req.Header["Webhook-Signature"] = []string{signature}
	// Not sent. Tells net/http that the request may be repeated, so that a kept
	// connection which the merchant closed meanwhile does not cost a try; the
	// webhook-id keeps a repeat harmless.
	req.Header["Idempotency-Key"] = nil
	return req, nil
}

// requestHeader is what a try at a time sends but for its signature. It can be
// told from the log: it is not kept there.
func requestHeader(noticeID string, at time.Time) http.Header {
	h := make(http.Header, 8)
	h["Content-Type"], h["User-Agent"], h["Accept-Encoding"] = []string{"application/json"}, []string{"Orderflow-Notifier/1"}, []string{"identity"}
	h["Webhook-Id"], h["Webhook-Timestamp"] = []string{noticeID}, []string{strconv.FormatInt(at.Unix(), 10)}
	return h
}

// RequestHeaders are the headers of a try at a time as they were sent, by their
// names in small letters, without the signature.
func RequestHeaders(noticeID string, at time.Time) map[string]string {
	headers := map[string]string{}
	for name, values := range requestHeader(noticeID, at) {
		headers[strings.ToLower(name)] = values[0]
	}
	return headers
}

// Close closes the connections that are kept open. Sends under way are not
// touched: whoever started them ends them by their context.
func (n *Notifier) Close() { (&http.Client{Transport: n.transport}).CloseIdleConnections() }
