package monitor

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/orderflow/orderflow/tasks"
	"github.com/stretchr/testify/require"
)

// operators is a guard as simple as one can be.
func operators(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "ops" || subtle.ConstantTimeCompare([]byte(password), []byte("let me in")) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="orderflow"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func TestMaskPayload(t *testing.T) {
	t.Parallel()
	ids := subjects(2)
	for _, c := range []struct{ name, payload, want string }{
		{"a bundle", string(tasks.Encode(ids)), fmt.Sprintf("order:close ×2: %q %q", ids[0], ids[1])},
		{"a bundle with something more", strings.Replace(string(tasks.Encode(ids[:1])), "{", `{"card":"4111","v":1,`, 1), fmt.Sprintf("order:close ×1: %q", ids[0])},
		{"another release's bundle", `{"v":99,"ids":["` + ids[0].String() + `"]}`, "masked, 55 bytes"},
		{"an id that is none", `{"v":1,"ids":["4111 1111 1111 1111"]}`, "masked, 37 bytes"},
		{"an empty bundle", `{"v":1,"ids":[]}`, "masked, 16 bytes"},
		{"some JSON", `{"card":"4111111111111111"}`, "masked, 27 bytes"},
		{"no JSON", "\x00\x01", "masked, 2 bytes"},
		{"nothing", "", "masked, 0 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, maskPayload("order:close", []byte(c.payload)))
		})
	}
}

func TestAsynqmonRefusesToBeServedUnsafely(t *testing.T) {
	t.Parallel()
	_, client := newRedis(t)
	for name, o := range map[string]Options{
		"no Redis":             {Guard: operators},
		"no guard":             {Redis: client},
		"a path without slash": {Redis: client, Guard: operators, RootPath: "monitor"},
		"the root":             {Redis: client, Guard: operators, RootPath: "/"},
		"a path with a quote":  {Redis: client, Guard: operators, RootPath: `/a"b`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Asynqmon(o)
			require.Error(t, err)
		})
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		readOnly bool
		method   string
		path     string
		header   map[string]string
		stranger bool
		want     int
	}{
		{name: "the page", method: "GET", path: "/monitor/", want: 200},
		{name: "the queues", method: "GET", path: "/monitor/api/queues", want: 200},
		{name: "a stranger sees no page", method: "GET", path: "/monitor/", stranger: true, want: 401},
		{name: "a stranger sees no queues", method: "GET", path: "/monitor/api/queues", stranger: true, want: 401},
		{name: "a stranger pauses nothing", method: "POST", path: "/monitor/api/queues/low:pause", stranger: true, want: 401},
		{name: "the page pauses a queue", method: "POST", path: "/monitor/api/queues/low:pause", header: map[string]string{"Sec-Fetch-Site": "same-origin"}, want: 204},
		{name: "the page over plain HTTP", method: "POST", path: "/monitor/api/queues/low:pause", header: map[string]string{"Origin": "http://example.com"}, want: 204},
		{name: "curl", method: "POST", path: "/monitor/api/queues/low:pause", want: 204},
		{name: "another site's page", method: "POST", path: "/monitor/api/queues/low:pause", header: map[string]string{"Sec-Fetch-Site": "cross-site"}, want: 403},
		{name: "another site's page in an old browser", method: "DELETE", path: "/monitor/api/queues/low", header: map[string]string{"Origin": "https://evil.example"}, want: 403},
		{name: "read only, reading", readOnly: true, method: "GET", path: "/monitor/api/queues", want: 200},
		{name: "read only, pausing", readOnly: true, method: "POST", path: "/monitor/api/queues/low:pause", want: 405},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, client := newRedis(t)
			enqueue(t, client, tasks.Low, "order:complete", tasks.Encode(subjects(1)))
			h, err := Asynqmon(Options{Redis: client, Guard: operators, ReadOnly: c.readOnly})
			require.NoError(t, err)
			r := httptest.NewRequest(c.method, "http://example.com"+c.path, nil)
			for k, v := range c.header {
				r.Header.Set(k, v)
			}
			if !c.stranger {
				r.SetBasicAuth("ops", "let me in")
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			require.Equal(t, c.want, w.Code, w.Body.String())
			q, err := asynq.NewInspectorFromRedisClient(client).GetQueueInfo("low")
			require.NoError(t, err)
			require.Equal(t, c.want == 204, q.Paused)
		})
	}
}

func TestPagePolicy(t *testing.T) {
	t.Parallel()
	_, client := newRedis(t)
	h, err := Asynqmon(Options{Redis: client, Guard: operators, RootPath: "/ops/queues/"})
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodGet, "/ops/queues/servers", nil)
	r.SetBasicAuth("ops", "let me in")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Contains(t, w.Body.String(), `src="/ops/queues/static/js/`)
	policy := w.Header().Get("Content-Security-Policy")
	require.Contains(t, policy, "default-src 'none'")
	require.Equal(t, 2, strings.Count(policy, "'sha256-"), policy)
	scripts, _, _ := strings.Cut(policy, "; style-src")
	require.NotContains(t, scripts, "unsafe")
	require.NotContains(t, policy, "http")
	require.NotContains(t, policy, "*")
}
