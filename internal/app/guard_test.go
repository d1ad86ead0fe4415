package app

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/demo"
)

// devMarket is a market whose Orderflow has the neighbours of `orderflow dev`.
func devMarket(t *testing.T) *market {
	t.Helper()
	m := newMarket(t)
	shop, err := demo.New(demo.Options{Secret: devEndpointSecret})
	require.NoError(t, err)
	a, err := Start(t.Context(), m.cfg, m.log, Extras{FixedKeys: true, Neighbours: map[string]http.Handler{"/demo/merchant/": http.StripPrefix("/demo/merchant", shop)}})
	require.NoError(t, err)
	m.open = append(m.open, a)
	return m
}

// What is at no path is a problem, as every refusal of the API's is: also where the
// path has empty or dotted parts.
func TestAPathThatIsNotTidyIsAProblem(t *testing.T) {
	t.Parallel()
	m := devMarket(t)
	for _, path := range []string{"//v1/orders", "/v1//orders", "/v1/./orders", "/v1/merchants/%2e%2e/notices", "/v1/orders/%2e", "/sandbox//pay", "/monitor/../metrics"} {
		a := m.send(http.MethodGet, m.cfg.BaseURL()+path, "", "Authorization", "Bearer dev_operator_key")
		require.Equal(t, http.StatusNotFound, a.status, "%s: %s", path, a.body)
		require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), path)
		require.Contains(t, a.body, `"type":"urn:orderflow:problem:not-found"`, path)
	}
}

// Nothing is to be had without a key.
func TestNothingWithoutAKey(t *testing.T) {
	t.Parallel()
	m := devMarket(t)
	o := m.create()
	base := m.cfg.BaseURL()
	for _, call := range []string{
		"GET /", "GET /docs", "GET /docs/", "GET /openapi.json", "GET /openapi.yaml", "GET /openapi-3.0.json", "GET /schemas/Order.json",
		"GET /metrics", "GET /monitor", "GET /monitor/", "GET /monitor/api/queues", "GET /monitor/queues/critical", "POST /monitor/api/queues/critical:pause",
		"DELETE /monitor/api/queues/critical", "GET /monitor/static/js/main.js", "GET /console", "GET /debug/pprof/", "GET /debug/vars", "GET /favicon.ico", "GET /robots.txt",
		"GET /v1", "GET /v1/", "GET /v1/orders", "POST /v1/orders", "GET /v1/orders/" + o.ID, "GET /v1/orders/" + o.ID + "/events",
		"POST /v1/orders/" + o.ID + "/payments", "POST /v1/orders/" + o.ID + "/cancel", "POST /v1/orders/" + o.ID + "/delivery", "POST /v1/orders/" + o.ID + "/complete",
		"PUT /v1/merchants/m_demo", "GET /v1/merchants/m_demo/stock/TEA-1", "PUT /v1/merchants/m_demo/stock/TEA-1",
		"POST /v1/merchants/m_demo/endpoints", "GET /v1/merchants/m_demo/endpoints", "GET /v1/tasks", "POST /v1/tasks/order:close/" + o.ID + "/requeue",
		"GET /v1/channels/sandbox/callbacks", "OPTIONS /v1/orders", "HEAD /metrics", "TRACE /v1/orders", "PATCH /v1/orders/" + o.ID,
		"POST /v1/channels/sandbox/callbacks", "POST /sandbox/gateway", "POST /sandbox/faults", "POST /demo/merchant/notices",
		"GET //metrics", "GET /v1/../metrics", "GET /healthz/../metrics", "GET /sandbox/../metrics", "GET /%6detrics", "GET /metrics/", "GET /METRICS",
		"GET /healthz/x", "GET /readyz/x", "GET /demo/merchant/", "GET /sandbox/pay/", "GET /sandbox/faults",
	} {
		t.Run(call, func(t *testing.T) {
			method, path, _ := strings.Cut(call, " ")
			a := m.send(method, base+path, "{}", "Content-Type", "application/json")
			require.NotZero(t, a.status, a.body)
			require.Contains(t, []int{
				http.StatusUnauthorized, http.StatusNotFound, http.StatusMethodNotAllowed,
				http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusPermanentRedirect,
			}, a.status, "%s: %s", call, a.body)
			if a.status != http.StatusUnauthorized {
				require.NotContains(t, a.body, o.ID)
			}
		})
	}
	for path, says := range map[string]string{"/healthz": "", "/readyz": "", "/sandbox/": "sandbox channel"} {
		t.Run("open to all: "+path, func(t *testing.T) {
			a := m.send(http.MethodGet, base+path, "")
			require.Equal(t, http.StatusOK, a.status)
			require.Contains(t, a.body, says)
			require.NotContains(t, a.body, m.cfg.Sandbox.Secret)
			require.NotContains(t, a.body, "postgres://")
		})
	}
}

func TestWhoMayOpenWhat(t *testing.T) {
	t.Parallel()
	m := devMarket(t)
	const yes, no, unknown = http.StatusOK, http.StatusForbidden, http.StatusUnauthorized
	for path, want := range map[string]struct{ app, merchant, operator int }{
		"/docs":               {yes, yes, yes},
		"/openapi.json":       {yes, yes, yes},
		"/metrics":            {no, no, yes},
		"/monitor":            {no, no, yes},
		"/monitor/api/queues": {no, no, yes},
		"/v1/tasks":           {no, no, yes},
		"/v1/orders":          {yes, yes, yes},
	} {
		for key, status := range map[string]int{
			devAppKey: want.app, devMerchantKey: want.merchant, devOperatorKey: want.operator, "dev_app_kez": unknown,
		} {
			t.Run(key+path, func(t *testing.T) {
				for way, header := range map[string]string{"program": "Bearer " + key, "browser": basic(key)} {
					a := m.follow(path, header)
					require.Equal(t, status, a.status, "%s: %s", way, a.body)
				}
			})
		}
	}
}

// The development keys open nothing but a development server, even where they
// are stored.
func TestDevelopmentKeysAreForDevelopment(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	a, err := Start(t.Context(), m.cfg, m.log, Extras{})
	require.NoError(t, err)
	m.open = append(m.open, a)
	for _, key := range []string{devAppKey, devMerchantKey, devOperatorKey} {
		for _, path := range []string{"/v1/orders", "/v1/tasks", "/docs", "/monitor", "/metrics"} {
			require.Equal(t, http.StatusUnauthorized, m.follow(path, "Bearer "+key).status, "%s %s", key, path)
		}
	}
}

func basic(key string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte("anybody:"+key))
}

// follow opens a page as a browser does: it goes where it is sent, with its
// login.
func (m *market) follow(path, authorization string) answer {
	m.Helper()
	a := m.send(http.MethodGet, m.cfg.BaseURL()+path, "", "Authorization", authorization)
	if to := a.header.Get("Location"); to != "" {
		a = m.send(http.MethodGet, m.cfg.BaseURL()+to, "", "Authorization", authorization)
	}
	return a
}

// A browser asks its user for the key only when it is told to.
func TestBrowserIsAskedForAKey(t *testing.T) {
	t.Parallel()
	m := devMarket(t)
	for _, path := range []string{"/docs", "/monitor", "/metrics"} {
		a := m.send(http.MethodGet, m.cfg.BaseURL()+path, "", "Accept", "text/html")
		require.Equal(t, http.StatusUnauthorized, a.status)
		require.Contains(t, a.header.Get("WWW-Authenticate"), "Basic", path)
	}
	a := m.send(http.MethodGet, m.cfg.BaseURL()+"/v1/orders", "")
	require.Contains(t, a.header.Get("WWW-Authenticate"), "Bearer")
}

// A page of another site cannot use a login that the browser keeps.
func TestOtherSitesCannotAct(t *testing.T) {
	t.Parallel()
	m := devMarket(t)
	o := m.create()
	for _, call := range []string{"POST /v1/orders/" + o.ID + "/complete", "POST /monitor/api/queues/critical:pause"} {
		method, path, _ := strings.Cut(call, " ")
		key := devAppKey
		if strings.HasPrefix(path, "/monitor") {
			key = devOperatorKey
		}
		a := m.send(method, m.cfg.BaseURL()+path, "", "Authorization", basic(key), "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
		require.Equal(t, http.StatusForbidden, a.status, "%s: %s", call, a.body)
	}
}
