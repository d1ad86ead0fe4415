package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Client calls the API with one key. It is safe for concurrent use.
//
// A call that failed on its way, or was answered 429, 502 or 503, is made
// again a few times, after waits that grow and are as long as the answer asks
// for (up to 5 s), when making it twice cannot do harm: what creates orders, payments and refunds carries an Idempotency-Key for that.
// What is answered otherwise is a *Problem:
//
//	var p *api.Problem
//	if errors.As(err, &p) && p.Type == api.OutOfStock { … }
type Client struct {
	base  string
	key   string
	http  *http.Client
	tries int
	first time.Duration // the first wait; each next is twice as long
}

// Option changes a Client.
type Option func(*Client)

// WithHTTPClient makes the calls through hc.
func WithHTTPClient(hc *http.Client) Option { return func(c *Client) { c.http = hc } }

// WithTries is how often a call is made at most; 4 unless set, 1 for never
// again.
func WithTries(n int) Option { return func(c *Client) { c.tries = max(n, 1) } }

// WithWait is the wait before the second try; 100 ms unless set.
func WithWait(d time.Duration) Option { return func(c *Client) { c.first = d } }

// Limits of a call.
const (
	callTime  = 40 * time.Second // one try; the server gives up first
	longest   = 5 * time.Second  // the longest wait between tries
	maxAnswer = 32 << 20
)

// New makes a client of the API at baseURL ("https://orders.example").
func New(baseURL, key string, opts ...Option) *Client {
	c := &Client{base: strings.TrimRight(baseURL, "/"), key: key, tries: 4, first: 100 * time.Millisecond}
	for _, o := range opts {
		o(c)
	}
	if c.http == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 512, 512
		c.http = &http.Client{Transport: t, Timeout: callTime, CheckRedirect: stay}
	}
	return c
}

// stay follows no redirect: the API has none, and the key is for it alone.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// request is one call to make.
type request struct {
	method string
	path   []string // segments, escaped when sent
	query  url.Values
	body   any
	key    string // Idempotency-Key
	once   bool   // making it twice could do harm
}

// do makes a call and reads its answer into out.
func (c *Client) do(ctx context.Context, r request, out any) error {
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return fmt.Errorf("%s: %w", r.name(), err)
		}
	}
	for n := 1; ; n++ {
		wait, again, err := c.try(ctx, r, body, out)
		if err == nil {
			return nil
		}
		if !again || r.once || n >= c.tries {
			return fmt.Errorf("%s: %w", r.name(), err)
		}
		if stopped := sleep(ctx, wait+c.backoff(n)); stopped != nil {
			return fmt.Errorf("%s: %w (gave up waiting: %w)", r.name(), err, stopped)
		}
	}
}

// try makes a call once. again says that it may be made again, after wait at
// the soonest: many are told the same, and add their own backoff.
func (c *Client) try(ctx context.Context, r request, body []byte, out any) (wait time.Duration, again bool, err error) {
	req, err := c.build(ctx, r, body)
	if err != nil {
		return 0, false, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, ctx.Err() == nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, ctx.Err() == nil, fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return retryAfter(resp.Header), passes(resp.StatusCode), problem(resp.StatusCode, text)
	}
	if out == nil || resp.StatusCode == http.StatusNoContent {
		return 0, false, nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return 0, false, fmt.Errorf("read the answer: %w", err)
	}
	return 0, false, nil
}

func (c *Client) build(ctx context.Context, r request, body []byte) (*http.Request, error) {
	target := c.base
	for _, segment := range r.path {
		target += "/" + url.PathEscape(segment)
	}
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.key != "" {
		req.Header.Set("Idempotency-Key", r.key)
	}
	return req, nil
}

func (r request) name() string { return r.method + " /" + strings.Join(r.path, "/") }

func passes(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusBadGateway || status == http.StatusServiceUnavailable
}

// problem is what an answer says went wrong. A proxy on the way may answer in
// its own form: then the status is all there is.
func problem(status int, text []byte) *Problem {
	p := &Problem{}
	if err := json.Unmarshal(text, p); err != nil || p.Type == "" {
		p = &Problem{Type: "about:blank", Title: http.StatusText(status)}
	}
	p.Status = status
	return p
}

func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(min(seconds, 3600))*time.Second, longest)
}

// backoff is the wait after the n-th try: half of it certain, half by chance,
// so that those who failed together do not come back together.
func (c *Client) backoff(n int) time.Duration {
	d := min(c.first<<min(n-1, 16), longest)
	return d/2 + time.Duration(mathrand.Int64N(int64(d/2)+1))
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// freshKey is an Idempotency-Key that nobody has used.
func freshKey() string { return rand.Text() }

// IsNotFound says whether err is the API's answer that something is not there.
func IsNotFound(err error) bool {
	var p *Problem
	return errors.As(err, &p) && p.Type == NotFound
}
