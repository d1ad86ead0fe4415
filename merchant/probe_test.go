package merchant

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestVerificationIsJudged(t *testing.T) {
	t.Parallel()
	ok := Attempt{OK: true, HTTPStatus: 200}
	refused := func(status int) Attempt { return Attempt{HTTPStatus: status, Error: "status: it answered"} }
	for name, c := range map[string]struct {
		signed, forged Attempt
		want           Verification
	}{
		"takes both":                        {ok, ok, DoesNotVerify},
		"refuses the other":                 {ok, refused(401), Verifies},
		"and says that it is bad":           {ok, refused(400), Verifies},
		"falls over it":                     {ok, refused(500), Verifies},
		"sends it away":                     {ok, refused(302), Verifies},
		"answers 200 without the word":      {ok, Attempt{HTTPStatus: 200, Error: "unacknowledged: x"}, Verifies},
		"has too much to do":                {ok, refused(429), NotKnown},
		"its gateway does not reach it":     {ok, refused(502), NotKnown},
		"nor in time":                       {ok, refused(504), NotKnown},
		"is being restarted":                {ok, refused(503), NotKnown},
		"does not answer the other":         {ok, Attempt{Error: "timeout: no whole answer"}, NotKnown},
		"refuses what is signed":            {refused(401), Attempt{}, NotKnown},
		"is not there":                      {Attempt{Error: "refused: nobody listens"}, Attempt{}, NotKnown},
		"refuses what is signed, not other": {refused(401), ok, NotKnown},
	} {
		require.Equal(t, c.want, verification(c.signed, c.forged), name)
	}
}

// A handler that verifies refuses the forgery, whichever scheme its endpoint has;
// one that looks at nothing takes it. Both tests are events of their own.
func TestProbeEndpoint(t *testing.T) {
	t.Parallel()
	for _, scheme := range []Scheme{V1, V1A} {
		for verifies, want := range map[bool]Verification{true: Verifies, false: DoesNotVerify} {
			secret := NewSecretFor(scheme)
			seen := map[string]bool{}
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				id := r.Header.Get("webhook-id")
				seen[id] = true
				sent, _ := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64)
				if ours, _ := Sign([]string{secret}, id, time.Unix(sent, 0), body); verifies && r.Header.Get("webhook-signature") != ours {
					w.WriteHeader(http.StatusUnauthorized)
				}
			}))
			t.Cleanup(s.Close)
			e := endpoint(s.URL)
			e.Secrets, e.PublicKey = []string{secret}, PublicKey(secret)
			p := ProbeEndpoint(t.Context(), develop(t, Timeouts{}).Send, e, exampleTime)
			require.True(t, p.Signed.OK, p.Signed.Error)
			require.Equal(t, want, p.Verifies)
			require.Len(t, seen, 2)
			require.True(t, seen[p.Test.ID] && seen[p.ForgedID])
			require.JSONEq(t, `{"type":"endpoint.test","timestamp":"2026-03-02T09:30:00Z","data":{"endpoint":{"id":"`+e.ID.String()+`","url":"`+e.URL+`"}}}`, string(p.Test.Body))
			require.Equal(t, []string{secret}, e.Secrets)
		}
	}
}

func TestNobodyIsProbedTwiceInVain(t *testing.T) {
	t.Parallel()
	calls := 0
	p := ProbeEndpoint(t.Context(), func(context.Context, Endpoint, Notice) Attempt {
		calls++
		return Attempt{Error: "refused: nobody listens", At: exampleTime}
	}, endpoint("https://shop.example"), exampleTime)
	require.Equal(t, 1, calls)
	require.Equal(t, NotKnown, p.Verifies)
	require.Zero(t, p.Forged)
}

// What the log says was sent is what was sent.
func TestRequestHeaders(t *testing.T) {
	t.Parallel()
	arrived := make(chan http.Header, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { arrived <- r.Header }))
	t.Cleanup(s.Close)
	a := develop(t, Timeouts{}).Send(t.Context(), endpoint(s.URL), notice())
	header := <-arrived
	header.Del("Webhook-Signature")
	header.Del("Content-Length")
	shown := http.Header{}
	for name, value := range RequestHeaders(notice().ID, a.At) {
		shown.Set(name, value)
	}
	require.Equal(t, shown, header)
}
