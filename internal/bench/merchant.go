package bench

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// MerchantSecret is the variable that hands the merchant's process its secret: a
// command line could be read by all.
const MerchantSecret = "ORDERFLOW_BENCH_SECRET"

// Merchant is the merchant's process: it takes notices at free ports of
// loopback, verifies them, answers 200, and reports each on out, one a line:
//
//	listening <address> …               once, first; one for each door
//	told <order> <notice> <unix nanoseconds of its arrival>
//	refused <why>
//
// A notice that was given up by its sender before it was answered is not
// reported.
type Merchant struct {
	Reader string // how it reads notices, by name in readers
	Secret string
	Think  time.Duration // before it answers
	Doors
	Mended <-chan struct{} // closed: the doors that hang answer as the others do; nil: never
}

// reader verifies a notice and says which order it is about, and its id.
type reader func(h http.Header, body []byte) (order, notice string, err error)

// readers are made with the secret that both sides share.
var readers = map[string]func(secret string) (reader, error){
	"webhooks": standardReader,
	"hmac":     hmacReader,
}

// standardReader reads what Orderflow sends.
func standardReader(secret string) (reader, error) {
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil, err
	}
	return func(h http.Header, body []byte) (string, string, error) {
		if err := verifier.Verify(body, h); err != nil {
			return "", "", err
		}
		if is, _ := cutID(body, `"type":"`); is != "order.paid" {
			return "", "", fmt.Errorf("it is of type %q, and nothing but payments happens here", is)
		}
		id, _ := cutID(body, `"order":{"id":"`)
		if id == "" {
			return "", "", fmt.Errorf("it names no order: %.200s", body)
		}
		return id, h.Get(standardwebhooks.HeaderWebhookID), nil
	}, nil
}

// hmacReader reads what the baselines send. Their notices have no ids of their
// own: the order's number stands for it.
func hmacReader(secret string) (reader, error) {
	return func(h http.Header, body []byte) (string, string, error) {
		if !hmac.Equal([]byte(hexMAC(secret, body)), []byte(h.Get(baselineSignature))) {
			return "", "", errors.New("wrong signature")
		}
		var n struct {
			OrderID int64 `json:"order_id"`
		}
		if err := json.Unmarshal(body, &n); err != nil {
			return "", "", err
		}
		order := strconv.FormatInt(n.OrderID, 10)
		return order, order, nil
	}, nil
}

func hexMAC(secret string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}

// Run takes notices until ctx ends.
func (m Merchant) Run(ctx context.Context, out io.Writer) error {
	withSecret, ok := readers[m.Reader]
	if !ok {
		return fmt.Errorf("merchant: there is no reader %q", m.Reader)
	}
	read, err := withSecret(m.Secret)
	if err != nil {
		return fmt.Errorf("merchant: %w", err)
	}
	listeners, err := m.listen(ctx)
	if err != nil {
		return fmt.Errorf("merchant: %w", err)
	}
	defer standBack()()
	r := newReports(out)
	r.say("listening " + addresses(listeners))
	if err := m.serve(ctx, listeners, read, r); err != nil {
		return fmt.Errorf("merchant: %w", err)
	}
	return r.close()
}

// serve answers at every door until ctx ends, or until one of them fails.
func (m Merchant) serve(ctx context.Context, listeners []net.Listener, read reader, r *reports) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	prompt := &http.Server{Handler: m.handler(read, r, m.think), ReadHeaderTimeout: 10 * time.Second}
	hanging := &http.Server{Handler: m.handler(read, r, m.hang), ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _, _ = prompt.Close(), hanging.Close() })
	defer stop()
	var open sync.WaitGroup
	for n, ln := range listeners {
		server := prompt
		if m.Hangs(int64(n)) {
			server = hanging
		}
		open.Go(func() {
			if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				fail(err)
			}
		})
	}
	open.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (m Merchant) think(ctx context.Context) { pause(ctx, m.Think) }

// hang keeps the sender waiting, until the merchant is mended at the latest.
func (m Merchant) hang(ctx context.Context) {
	limit := time.NewTimer(m.For)
	defer limit.Stop()
	select {
	case <-limit.C:
	case <-m.Mended:
		m.think(ctx)
	case <-ctx.Done():
	}
}

// maxNotice bounds what is read of a notice.
const maxNotice = 256 << 10

func (m Merchant) handler(read reader, r *reports, wait func(context.Context)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		arrived := time.Now()
		body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxNotice))
		var order, notice string
		if err == nil {
			order, notice, err = read(req.Header, body)
		}
		if err != nil {
			r.say("refused " + strings.ReplaceAll(err.Error(), "\n", " "))
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		wait(req.Context())
		if req.Context().Err() != nil {
			return
		}
		_, _ = io.WriteString(w, "success")
		r.say(fmt.Sprintf("told %s %s %d", order, notice, arrived.UnixNano()))
	})
}

// gather is how long lines may wait for others. They carry their times, so
// nothing that is measured gets longer by it.
const gather = 2 * time.Millisecond

// reports are lines for whoever started the process. The first leaves at once,
// and those that come within gather after it as one write.
type reports struct {
	lines chan string
	done  chan error
}

func newReports(out io.Writer) *reports {
	r := &reports{lines: make(chan string, 4096), done: make(chan error, 1)}
	go func() { r.done <- r.write(bufio.NewWriterSize(out, 64<<10)) }()
	return r
}

func (r *reports) say(line string) { r.lines <- line }

// write goes on after an error, so that nobody who says something waits.
func (r *reports) write(out *bufio.Writer) (err error) {
	for line := range r.lines {
		_, _ = out.WriteString(line + "\n") // Flush tells
		if len(r.lines) == 0 {
			err = errors.Join(err, out.Flush())
			<-time.After(gather)
		}
	}
	return errors.Join(err, out.Flush())
}

// close is for when nobody says anything any more.
func (r *reports) close() error {
	close(r.lines)
	return <-r.done
}
