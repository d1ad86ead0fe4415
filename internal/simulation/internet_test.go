package simulation

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// internet carries requests between the hosts of a world, in memory: a socket
// would hold the world's time.
type internet struct {
	mu    sync.Mutex
	hosts map[string]http.Handler
}

func newInternet() *internet { return &internet{hosts: map[string]http.Handler{}} }

func (n *internet) host(name string, h http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[name] = h
}

// client is a visitor's.
func (n *internet) client(limit time.Duration) *http.Client {
	return &http.Client{Transport: n, Timeout: limit}
}

var (
	errNobody = errors.New("connection refused")
	errReset  = errors.New("connection reset by peer")
)

// RoundTrip lets the host answer. Who asks may go away before it does; a host
// that aborts its handler breaks the connection.
func (n *internet) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	h := n.hosts[r.URL.Host]
	n.mu.Unlock()
	if h == nil {
		return nil, errNobody
	}
	in := r.Clone(r.Context())
	in.Host, in.RequestURI = r.URL.Host, r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	answered := make(chan *http.Response, 1)
	go func() {
		defer close(answered)
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // net/http's own sentinel, panicked as it is
				panic(p)
			}
		}()
		out := httptest.NewRecorder()
		h.ServeHTTP(out, in)
		answered <- out.Result()
	}()
	select {
	case resp := <-answered:
		if resp == nil {
			return nil, errReset
		}
		resp.Request = r
		return resp, nil
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
}
