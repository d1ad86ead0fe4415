package producer

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"regexp"
	"runtime/debug"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/orderflow/orderflow/internal/access"
	"github.com/orderflow/orderflow/internal/once"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

// call is one request on its way through the door. It is its own goroutine's
// alone.
type call struct {
	id        string // X-Request-Id
	route     string // "POST /v1/orders"
	request   *http.Request
	principal access.Principal
	body      []byte // as it came, before anything was made of it
	order     order.ID
	err       error // what went wrong with us, for the log
}

type callKey struct{}

func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

var requestID = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,128}$`)

// observed gives every request its id, catches its panics and writes its one
// line in the log.
func (s *server) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		c := &call{id: requestIDOf(r)}
		c.request = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
		out := &recorder{ResponseWriter: w}
		h := out.Header()
		h["X-Request-Id"], h["X-Content-Type-Options"], h["Cache-Control"] = []string{c.id}, nosniff, noStore
		defer s.log(c, out, began)
		defer s.recovered(c, out)
		next.ServeHTTP(out, c.request)
	})
}

// recovered makes a panic a problem. It is logged with its stack; the caller
// learns only that it was our fault.
func (s *server) recovered(c *call, out *recorder) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // net/http's own sentinel, panicked as it is
		panic(p)
	}
	s.opt.Log.Error("panic", zap.String("request_id", c.id), zap.String("route", c.route),
		zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
	if out.status == 0 {
		c.refuse(out, fault(api.Internal, ""))
	}
}

// log writes the wide line: who asked for what, and what became of it. Never a
// body, a key or a query.
func (s *server) log(c *call, out *recorder, began time.Time) {
	s.opt.Requested(c.route, c.request.Method, out.status, time.Since(began))
	level := zapcore.InfoLevel
	if out.status >= 500 && c.request.Context().Err() == nil { // one that went away is no fault of ours
		level = zapcore.ErrorLevel
	}
	line := s.opt.Log.Check(level, "request")
	if line == nil { // not wanted, or sampled away: it costs nothing
		return
	}
	fields := []zap.Field{
		zap.String("method", c.request.Method), zap.String("route", c.route), zap.Int("status", out.status),
		zap.Float64("ms", float64(time.Since(began).Microseconds())/1000), zap.Int("bytes", out.bytes),
		zap.String("request_id", c.id), zap.String("principal", c.principal.Name), zap.String("role", string(c.principal.Role)),
	}
	if !c.order.IsZero() {
		fields = append(fields, zap.Stringer("order_id", c.order))
	}
	if c.err != nil {
		fields = append(fields, zap.Error(c.err))
	}
	line.Write(fields...)
}

// sees says whether the caller may look at what is this merchant's. What they
// may not see is for them not there.
func (c *call) sees(merchantID string) error {
	if !c.principal.Sees(merchantID) {
		return order.ErrNotFound
	}
	return nil
}

// failed notes for the log what went wrong though the caller is answered.
func (c *call) failed(err error) { c.err = errors.Join(c.err, err) }

// once is the Idempotency-Key of the request; nil when it has none. answer
// renders what the caller is told once the change is made.
func (c *call) once(status int, answer func() any) (*once.Request, error) {
	keys, sent := c.request.Header["Idempotency-Key"]
	if !sent {
		return nil, nil
	}
	if len(keys) != 1 || keys[0] == "" {
		return nil, invalid("header.Idempotency-Key", "want one key of 1 to 255 characters")
	}
	return &once.Request{
		Scope:  string(c.principal.Role) + ":" + c.principal.Name,
		Key:    keys[0],
		Hash:   c.fingerprint(),
		Answer: func() (int, []byte) { return status, render(answer()) },
	}, nil
}

func (c *call) fingerprint() (sum [32]byte) {
	h := sha256.New()
	for _, part := range [][]byte{[]byte(c.request.Method), []byte(c.request.URL.EscapedPath()), c.body} {
		h.Write(part)
		h.Write([]byte{0})
	}
	h.Sum(sum[:0])
	return sum
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += n
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
