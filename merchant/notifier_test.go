package merchant

import (
	"context"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestSendIsSignedAndVerbatim(t *testing.T) {
	t.Parallel()
	type arrival struct {
		header http.Header
		body   []byte
		method string
	}
	arrived := make(chan arrival, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		arrived <- arrival{r.Header, body, r.Method}
	}))
	t.Cleanup(s.Close)
	e := endpoint(s.URL + "/notices?shop=1")
	e.Secrets = append(e.Secrets, NewSecret())

	a := develop(t, Timeouts{}).Send(t.Context(), e, notice())
	require.True(t, a.OK, a.Error)
	require.Equal(t, http.StatusOK, a.HTTPStatus)
	require.Empty(t, a.Error)
	require.Positive(t, a.Duration)

	got := <-arrived
	require.Equal(t, http.MethodPost, got.method)
	require.Equal(t, notice().Body, got.body)
	require.Equal(t, notice().ID, got.header.Get("webhook-id"))
	require.Equal(t, strconv.FormatInt(a.At.Unix(), 10), got.header.Get("webhook-timestamp"))
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	require.Equal(t, "identity", got.header.Get("Accept-Encoding"))
	require.Contains(t, got.header.Get("User-Agent"), "Orderflow")
	require.NotContains(t, got.header, "Idempotency-Key")
	for _, secret := range e.Secrets {
		require.NoError(t, verify(t, secret, got.body, got.header))
	}
}

func TestAnswersAreJudged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		header http.Header
		want   Attempt
	}{
		{"200", 200, nil, Attempt{OK: true}},
		{"202", 202, nil, Attempt{OK: true}},
		{"204", 204, nil, Attempt{OK: true}},
		{"299", 299, nil, Attempt{OK: true}},
		{"200 with Retry-After", 200, http.Header{"Retry-After": {"9"}}, Attempt{OK: true}},
		{"304", 304, nil, Attempt{Error: "redirect: it answered 304 Not Modified; redirects are not followed: register the final URL"}},
		{"400", 400, nil, Attempt{Error: "status: it answered 400 Bad Request"}},
		{"404", 404, nil, Attempt{Error: "status: it answered 404 Not Found"}},
		{"410", 410, nil, Attempt{Error: "status: it answered 410 Gone", Gone: true}},
		{"429", 429, http.Header{"Retry-After": {"30"}}, Attempt{Error: "status: it answered 429 Too Many Requests", RetryAfter: 30 * time.Second}},
		{"500", 500, nil, Attempt{Error: "status: it answered 500 Internal Server Error"}},
		{"503 for a year", 503, http.Header{"Retry-After": {"31536000"}}, Attempt{Error: "status: it answered 503 Service Unavailable", RetryAfter: MaxRetryAfter}},
		{"a number of its own", 799, nil, Attempt{Error: "status: it answered 799"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range c.header {
					w.Header()[k] = v
				}
				w.WriteHeader(c.status)
			}))
			t.Cleanup(s.Close)
			got := develop(t, Timeouts{}).Send(t.Context(), endpoint(s.URL), notice())
			require.Equal(t, c.status, got.HTTPStatus)
			require.Equal(t, c.want, Attempt{OK: got.OK, Error: got.Error, RetryAfter: got.RetryAfter, Gone: got.Gone})
		})
	}
}

func TestRedirectIsNeverFollowed(t *testing.T) {
	t.Parallel()
	for _, code := range []int{301, 302, 303, 307, 308} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				http.Redirect(w, r, "/elsewhere", code)
			}))
			t.Cleanup(s.Close)
			a := develop(t, Timeouts{}).Send(t.Context(), endpoint(s.URL), notice())
			require.False(t, a.OK)
			require.Equal(t, Redirect, a.Class(), a.Error)
			require.Equal(t, code, a.HTTPStatus)
			require.EqualValues(t, 1, calls.Load())
		})
	}
}

// Short limits for who never answers; it is long enough for what comes before.
// What is not under test is long.
const short, long = 250 * time.Millisecond, time.Minute

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	a := develop(t, Timeouts{}).Send(t.Context(), endpoint("http://"+l.Addr().String()), notice())
	require.Equal(t, Refused, a.Class(), a.Error)
}

func TestNameDoesNotResolve(t *testing.T) {
	t.Parallel()
	n := develop(t, Timeouts{})
	n.dialer.Resolver = resolveNothing()
	a := n.Send(t.Context(), endpoint("https://shop.example/"), notice())
	require.Equal(t, DNS, a.Class(), a.Error)
	require.Contains(t, a.Error, "shop.example")
}

func TestCertificateIsChecked(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	t.Cleanup(s.Close)
	n := develop(t, Timeouts{})

	a := n.Send(t.Context(), endpoint(s.URL), notice())
	require.Equal(t, TLS, a.Class(), a.Error)
	require.Contains(t, a.Error, "unknown authority")

	n.tls.RootCAs = x509.NewCertPool()
	n.tls.RootCAs.AddCert(s.Certificate())
	a = n.Send(t.Context(), endpoint(s.URL), notice())
	require.True(t, a.OK, a.Error)
}

func TestProductionNeverReachesInside(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	t.Cleanup(s.Close)
	for name, c := range map[string]struct {
		url, resolvesTo, says string
	}{
		"http":                         {s.URL, "", "https only"},
		"loopback":                     {"https" + strings.TrimPrefix(s.URL, "http"), "", "port 443"},
		"an address":                   {"https://127.0.0.1/", "", "private or reserved"},
		"a name of a private address":  {"https://shop.example/", "10.1.2.3", "private or reserved"},
		"a name of loopback":           {"https://shop.example/", "127.0.0.1", "private or reserved"},
		"a name of a metadata service": {"https://shop.example/", "169.254.169.254", "private or reserved"},
		"a name of Azure's host agent": {"https://shop.example/", "168.63.129.16", "private or reserved"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core, logged := observer.New(zap.WarnLevel)
			n := NewNotifier(Options{Log: zap.New(core)})
			t.Cleanup(n.Close)
			if c.resolvesTo != "" {
				n.dialer.Resolver = resolveTo(netip.MustParseAddr(c.resolvesTo))
			}
			a := n.Send(t.Context(), endpoint(c.url), notice())
			require.Equal(t, Blocked, a.Class(), a.Error)
			require.Contains(t, a.Error, c.says)
			require.Len(t, logged.All(), 1, "the operator is told")
			if c.resolvesTo != "" {
				require.NotContains(t, a.Error, c.resolvesTo, "the merchant learns no inner address")
				require.Contains(t, logged.All()[0].ContextMap()["error"], c.resolvesTo)
			}
		})
	}
	t.Cleanup(func() { require.Zero(t, calls.Load()) })
}

func TestStoppedByUs(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	url := "http://" + listen(t, func(_ int, conn net.Conn) {
		readRequest(conn)
		cancel()
		_, _ = io.Copy(io.Discard, conn)
	})
	a := develop(t, Timeouts{}).Send(ctx, endpoint(url), notice())
	require.Equal(t, Stopped, a.Class(), a.Error)
}

func TestCallersDeadlineIsATimeout(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), short)
	defer cancel()
	url := "http://" + listen(t, answering(""))
	a := develop(t, Timeouts{}).Send(ctx, endpoint(url), notice())
	require.Equal(t, Timeout, a.Class(), a.Error)
}

func TestEndpointWithoutSecret(t *testing.T) {
	t.Parallel()
	e := endpoint("http://127.0.0.1:1")
	e.Secrets = []string{"whsec_broken"}
	a := develop(t, Timeouts{}).Send(t.Context(), e, notice())
	require.Equal(t, Secret, a.Class(), a.Error)
	require.NotContains(t, a.Error, "broken")
}

func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	s, opened := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write(make([]byte, maxAnswer))
	})
	n, e := develop(t, Timeouts{}), endpoint(s.URL)
	for range 5 {
		require.Equal(t, http.StatusBadGateway, n.Send(t.Context(), e, notice()).HTTPStatus)
	}
	require.EqualValues(t, 1, opened.Load())

	n.Close()
	require.Equal(t, http.StatusBadGateway, n.Send(t.Context(), e, notice()).HTTPStatus, "a closed Notifier only keeps nothing")
	require.EqualValues(t, 2, opened.Load())
}

// The merchant closes a kept connection just as the next notice is on it: the
// notice goes again on a new one, and the try is not lost.
func TestKeptConnectionClosedUnderANotice(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	var seen atomic.Int32
	url := "http://" + listen(t, func(nth int, conn net.Conn) {
		for i := 1; readRequest(conn); i++ {
			seen.Add(1)
			if nth == 1 && i == 2 {
				return
			}
			_, _ = io.WriteString(conn, ok)
		}
	})
	n, e := develop(t, Timeouts{}), endpoint(url)
	require.True(t, n.Send(t.Context(), e, notice()).OK)
	a := n.Send(t.Context(), e, notice())
	require.True(t, a.OK, a.Error)
	require.EqualValues(t, 3, seen.Load())
}
