package producer_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/seal"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/producer"
	"github.com/orderflow/orderflow/producer/api"
)

// line answers for every endpoint in the world.
type line struct {
	mu      sync.Mutex
	sent    []merchant.Endpoint
	answers func(nth int) merchant.Attempt
}

func (l *line) Send(_ context.Context, e merchant.Endpoint, _ merchant.Notice) merchant.Attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, e)
	a := l.answers(len(l.sent))
	a.EndpointID, a.At = e.ID, time.Now().UTC()
	return a
}

// tried is a door whose endpoints answer as told.
func tried(t *testing.T, now func() time.Time, answers func(nth int) merchant.Attempt) (d *door, l *line, path string) {
	t.Helper()
	l = &line{answers: answers}
	d = newDoor(t, func(o *producer.Options) { o.Sender, o.Now = l, now })
	e := want[api.Endpoint](d.call("merchant", "POST", "/v1/merchants/m_demo/endpoints", `{"url":"https://m.example/n","ack":"success"}`), 201)
	return d, l, "/v1/merchants/m_demo/endpoints/" + e.ID + "/test"
}

func TestAnEndpointIsTested(t *testing.T) {
	t.Parallel()
	ok := merchant.Attempt{OK: true, HTTPStatus: 200, Duration: time.Millisecond, Answer: merchant.Answer{Body: []byte("success")}}
	no := merchant.Attempt{HTTPStatus: 401, Duration: time.Millisecond, Error: "status: it answered 401 Unauthorized"}
	for name, c := range map[string]struct {
		answers  []merchant.Attempt
		verifies string
	}{
		"it verifies":        {[]merchant.Attempt{ok, no}, "true"},
		"it takes anything":  {[]merchant.Attempt{ok, ok}, "false"},
		"it refuses all":     {[]merchant.Attempt{no}, "unknown"},
		"it breaks off then": {[]merchant.Attempt{ok, {Error: "reset: it broke off"}}, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, l, path := tried(t, nil, func(nth int) merchant.Attempt { return c.answers[nth-1] })
			answer := d.call("merchant", "POST", path, "")
			got := want[api.EndpointTest](answer, 200)
			require.Equal(t, c.verifies, got.Verifies)
			require.Equal(t, c.answers[0].OK, got.Attempt.OK)
			require.Equal(t, c.answers[0].HTTPStatus, got.Attempt.Status)
			require.Contains(t, string(got.Body), `"endpoint.test"`)
			require.Equal(t, got.NoticeID, got.Attempt.RequestHeaders["webhook-id"])
			require.Len(t, l.sent, len(c.answers))
			require.Equal(t, merchant.AckSuccess, l.sent[0].Ack)
			require.Equal(t, d.store.endpoints[0].Secrets, l.sent[0].Secrets)
			require.Equal(t, len(c.answers) == 2, got.Forged != nil)
			if got.Forged != nil {
				require.Equal(t, c.answers[1].OK, got.Forged.OK)
				require.NotEqual(t, got.NoticeID, got.Forged.RequestHeaders["webhook-id"])
				require.NotEqual(t, l.sent[0].Secrets, l.sent[1].Secrets)
			}
			for _, sent := range l.sent {
				require.NotContains(t, answer.Body.String(), strings.TrimPrefix(sent.Secrets[0], "whsec_"))
			}
		})
	}
}

// Tests call strangers: each endpoint is tested once in a while.
func TestTestsAreRare(t *testing.T) {
	t.Parallel()
	var passed time.Duration
	began := time.Now()
	d, l, path := tried(t, func() time.Time { return began.Add(passed) }, func(int) merchant.Attempt { return merchant.Attempt{HTTPStatus: 404, Error: "status: it answered 404"} })
	other := want[api.Endpoint](d.call("merchant", "POST", "/v1/merchants/m_demo/endpoints", `{"url":"https://m.example/o"}`), 201)
	want[api.EndpointTest](d.call("merchant", "POST", path, ""), 200)
	passed = 2 * time.Second
	again := d.call("operator", "POST", path, "")
	again.problem(api.TooSoon)
	require.Equal(t, "3", again.Header().Get("Retry-After"))
	want[api.EndpointTest](d.call("merchant", "POST", "/v1/merchants/m_demo/endpoints/"+other.ID+"/test", ""), 200)
	passed = 5 * time.Second
	want[api.EndpointTest](d.call("merchant", "POST", path, ""), 200)
	require.Len(t, l.sent, 3)
}

func TestTestsThatAreRefused(t *testing.T) {
	t.Parallel()
	d, l, path := tried(t, nil, func(int) merchant.Attempt { return merchant.Attempt{} })
	d.call("other", "POST", path, "").problem(api.NotFound)
	d.call("other", "POST", strings.Replace(path, "m_demo", "m_other", 1), "").problem(api.NotFound)
	d.call("app", "POST", path, "").problem(api.Forbidden)
	for _, err := range []error{seal.ErrAltered, seal.ErrForm, &seal.UnknownKey{}} {
		d.store.unopened = err
		require.Contains(t, d.call("merchant", "POST", path, "").problem(api.NotAllowed).Detail, "cannot be decrypted")
	}
	d.store.unopened = context.DeadlineExceeded
	d.call("merchant", "POST", path, "").problem(api.Unavailable)
	require.Empty(t, l.sent)
	d.call("merchant", "DELETE", strings.TrimSuffix(path, "/test"), "")
	d.call("merchant", "POST", path, "").problem(api.NotFound)
}
