package merchant

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsKeptOfAnAnswer(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range map[string]string{
			"Content-Type": "application/json", "Content-Encoding": "identity", "Location": "/elsewhere", "Retry-After": "7",
			"Server": "nginx", "Date": "Wed, 04 Mar 2026 12:00:00 GMT", "X-Request-Id": "r-1", "Set-Cookie": "session=secret",
		} {
			w.Header().Set(name, value)
		}
		w.WriteHeader(http.StatusConflict)
		_, _ = w.Write([]byte(`{"error":"no such order"}`))
	}))
	t.Cleanup(s.Close)
	a := develop(t, Timeouts{}).Send(t.Context(), endpoint(s.URL), notice())
	require.Equal(t, Answer{
		Body:        []byte(`{"error":"no such order"}`),
		ContentType: "application/json", ContentEncoding: "identity", Location: "/elsewhere", RetryAfter: "7",
		Server: "nginx", Date: "Wed, 04 Mar 2026 12:00:00 GMT", RequestID: "r-1",
	}, a.Answer)
}

// An answer up to the limit is kept whole, and its connection with it.
func TestHowMuchIsKeptOfABody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		size      int
		truncated bool
		opened    int32 // connections for two notices; 0: one or two
	}{
		{0, false, 1},
		{1, false, 1},
		{maxAnswer - 1, false, 1},
		{maxAnswer, false, 1},
		{maxAnswer + 1, true, 0}, // its end may be seen with its last byte
		{maxAnswer + 2, true, 2},
		{1 << 20, true, 2},
	} {
		for _, chunked := range []bool{false, true} {
			t.Run(strconv.Itoa(c.size)+map[bool]string{true: " in chunks"}[chunked], func(t *testing.T) {
				t.Parallel()
				s, opened := serve(t, func(w http.ResponseWriter, _ *http.Request) {
					if !chunked {
						w.Header().Set("Content-Length", strconv.Itoa(c.size))
					}
					w.(http.Flusher).Flush() // the form of the body is settled
					_, _ = w.Write([]byte(strings.Repeat("x", c.size)))
				})
				n := develop(t, Timeouts{})
				for range 2 {
					a := n.Send(t.Context(), endpoint(s.URL), notice())
					require.True(t, a.OK, a.Error)
					require.Equal(t, strings.Repeat("x", min(c.size, maxAnswer)), string(a.Answer.Body))
					require.Equal(t, c.truncated, a.Answer.Truncated)
				}
				if c.opened > 0 {
					require.Equal(t, c.opened, opened.Load())
				}
			})
		}
	}
}

// serve serves handler and counts the connections that are opened to it.
func serve(t *testing.T, handler http.HandlerFunc) (*httptest.Server, *atomic.Int32) {
	t.Helper()
	opened := new(atomic.Int32)
	s := httptest.NewUnstartedServer(handler)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s, opened
}
