package producer_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer"
	"github.com/orderflow/orderflow/tasks"
)

type document struct {
	OpenAPI string
	Info    struct{ Description string }
	Paths   map[string]map[string]struct {
		OperationID string
		Parameters  []struct {
			Name, In string
			Schema   struct{ Enum []string }
		}
		Responses   map[string]any
		RequestBody *struct{ Required bool }
	}
	Components struct {
		Schemas map[string]struct {
			Properties map[string]struct{ Enum []string }
		}
	}
}

func read(t *testing.T) (d document) {
	t.Helper()
	require.NoError(t, json.Unmarshal(producer.OpenAPI(), &d))
	return d
}

func TestTheDocumentHasEveryRoute(t *testing.T) {
	t.Parallel()
	d := read(t)
	require.Regexp(t, `^3\.1\.`, d.OpenAPI)
	n := 0
	for _, r := range producer.Routes() {
		op, ok := d.Paths[r.Path][strings.ToLower(r.Method)]
		require.True(t, ok, "%s %s", r.Method, r.Path)
		require.Equal(t, r.ID, op.OperationID)
		require.Contains(t, op.Responses, "default", "problems are described")
		for _, in := range regexp.MustCompile(`{(\w+)}`).FindAllStringSubmatch(r.Path, -1) {
			found := false
			for _, p := range op.Parameters {
				found = found || p.In == "path" && p.Name == in[1]
			}
			require.True(t, found, "%s: {%s} is described, and read", r.ID, in[1])
		}
		n++
	}
	described := 0
	for _, p := range d.Paths {
		described += len(p)
	}
	require.Equal(t, n, described, "and nothing else")
	for name := range producer.Kinds() {
		require.Contains(t, d.Info.Description, "`"+string(name)+"`")
	}
}

func TestTheDocumentsWordsAreTheDomains(t *testing.T) {
	t.Parallel()
	d := read(t)
	var statuses, states []string
	for _, s := range order.Statuses() {
		statuses = append(statuses, string(s))
	}
	for _, s := range tasks.States() {
		states = append(states, string(s))
	}
	require.Equal(t, statuses, d.Components.Schemas["Order"].Properties["status"].Enum)
	for schema, want := range map[string][]string{
		"Order/hold":            order.Holds(),
		"Payment/status":        texts(order.AttemptInit, order.AttemptPaying, order.AttemptSuccess, order.AttemptFailed, order.AttemptClosed, order.AttemptVoid),
		"Refund/status":         texts(order.RefundCreated, order.RefundProcessing, order.RefundSuccess, order.RefundAbnormal, order.RefundClosed, order.RefundCanceled),
		"Delivery/status":       texts(order.Notifying, order.Accepted, order.DeliveryDone, order.DeliveryFailed, order.DeliveryRevoking, order.DeliveryRevoked),
		"Payment/disposition":   texts(order.Applied, order.Late, order.Duplicate, order.Mismatch),
		"Event/disposition":     texts(order.Applied, order.Late, order.Duplicate, order.Mismatch),
		"Notice/state":          texts(merchant.NoticeStates()...),
		"Delivered/state":       texts(merchant.NoticeStates()...),
		"NoticeAttempt/class":   texts(merchant.Classes()...),
		"Delivered/reason":      texts(merchant.Reasons()...),
		"Recovery/state":        texts(merchant.RecoveryStates()...),
		"Undelivered/reason":    texts(append(merchant.Reasons(), merchant.GivenUp)...),
		"Waiting/reason":        texts(merchant.Reasons()...),
		"EndpointTest/verifies": texts(merchant.Verifies, merchant.DoesNotVerify, merchant.NotKnown),
		"Endpoint/ack":          texts(merchant.AckModes()...),
		"NewEndpoint/ack":       texts(merchant.AckModes()...),
		"EndpointChange/ack":    texts(merchant.AckModes()...),
		"DeliveryReport/status": texts(order.Accepted, order.DeliveryDone, order.DeliveryFailed, order.DeliveryRevoked),
	} {
		name, property, _ := strings.Cut(schema, "/")
		require.Equal(t, want, d.Components.Schemas[name].Properties[property].Enum, schema)
	}
	query := func(path, name string) []string {
		for _, p := range d.Paths[path]["get"].Parameters {
			if p.Name == name {
				return p.Schema.Enum
			}
		}
		return nil
	}
	require.Equal(t, statuses, query("/v1/orders", "status"))
	require.Equal(t, order.Holds(), query("/v1/orders", "hold"))
	require.Equal(t, states, query("/v1/tasks", "state"))
}

func texts[T ~string](values ...T) (list []string) {
	for _, v := range values {
		list = append(list, string(v))
	}
	return list
}

func TestTheDocumentSaysWhichBodiesMayBeLeftOut(t *testing.T) {
	t.Parallel()
	d := read(t)
	for path, methods := range d.Paths {
		for method, op := range methods {
			if op.RequestBody != nil && strings.HasPrefix(path, "/v1/") && op.OperationID != "channel-callback" {
				optional := slices.Contains([]string{"requeue-task", "rotate-endpoint", "resend-notice"}, op.OperationID)
				require.Equal(t, !optional, op.RequestBody.Required, "%s %s", method, path)
			}
		}
	}
}

func TestDocsAskForAKeyAsBrowsersDo(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for _, path := range []string{"/docs", "/docs/web-components.min.js", "/docs/styles.min.css", "/openapi.json"} {
		a := d.call("", "GET", path, "")
		require.Equal(t, 401, a.Code, path)
		require.Contains(t, a.Header().Get("WWW-Authenticate"), "Basic")
		for _, key := range []string{"app", "merchant", "operator"} {
			r := d.call("", "GET", path, "", "Authorization", basic("anyone", key))
			require.Equal(t, 200, r.Code, path)
		}
	}
	require.JSONEq(t, string(producer.OpenAPI()), d.call("app", "GET", "/openapi.json", "").Body.String())
	require.Equal(t, 404, d.call("app", "GET", "/docs/LICENSE", "").Code)
}

func basic(user, pass string) string {
	r, _ := http.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth(user, pass)
	return r.Header.Get("Authorization")
}

// The page names files of this door alone, its style sheet names none at all,
// and its policy forbids the script whatever it might think of.
func TestDocsSpeakToNobodyElse(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	page := d.call("app", "GET", "/docs", "")
	refs := regexp.MustCompile(`(?i)(?:src|href|url)="([^"]*)"`).FindAllStringSubmatch(page.Body.String(), -1)
	require.Len(t, refs, 4)
	for _, ref := range refs {
		path := strings.TrimPrefix(ref[1], "//example.com") // the host that was asked
		require.Regexp(t, `^(/[^/]|data:,$)`, path)
		if path[0] == '/' {
			require.Equal(t, 200, d.call("app", "GET", path, "").Code, path)
		}
	}
	require.NotContains(t, strings.ToLower(page.Body.String()), "http")

	for directive := range strings.SplitSeq(page.Header().Get("Content-Security-Policy"), "; ") {
		name, sources, _ := strings.Cut(directive, " ")
		for source := range strings.FieldsSeq(sources) {
			require.Contains(t, []string{"'self'", "'none'", "'unsafe-inline'", "data:"}, source, directive)
		}
		if name == "script-src" || name == "connect-src" {
			require.Equal(t, "'self'", sources)
		}
	}
	require.Contains(t, page.Header().Get("Content-Security-Policy"), "default-src 'none'")

	css := d.call("app", "GET", "/docs/styles.min.css", "").Body.String()
	require.NotRegexp(t, `@import|url\(\s*["']?(https?:)?//`, css)
}

func TestDocsFilesArePackedForWhoCanUnpack(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	plain := d.call("app", "GET", "/docs/web-components.min.js", "")
	require.Equal(t, "text/javascript; charset=utf-8", plain.Header().Get("Content-Type"))
	packed := d.call("app", "GET", "/docs/web-components.min.js", "", "Accept-Encoding", "gzip, br")
	require.Equal(t, "gzip", packed.Header().Get("Content-Encoding"))
	require.Less(t, packed.Body.Len(), plain.Body.Len()/2)
	z, err := gzip.NewReader(packed.Body)
	require.NoError(t, err)
	text, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Len(t, text, plain.Body.Len())
}
