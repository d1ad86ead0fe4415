package producer_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/producer/api"
)

const callbacks = "/v1/channels/sandbox/callbacks"

func TestCallbacks(t *testing.T) {
	t.Parallel()
	const body = `{"id":"e1","no":"01939b1c5f4a7c3e9a00c0ffee00ab01"}`
	for name, tc := range map[string]struct {
		signature, body string
		store           error
		status          int
		text            string
		kept            int
	}{
		"verified":              {"good", body, nil, 200, "success", 1},
		"forged":                {"bad", body, nil, 401, "fail", 0},
		"unsigned":              {"", body, nil, 401, "fail", 0},
		"too old":               {"stale", body, nil, 401, "fail", 0},
		"signed, but no sense":  {"good", "{", nil, 400, "fail", 0},
		"about nothing of ours": {"good", `{"id":"e1","no":"A-17"}`, nil, 400, "fail", 0},
		"not kept":              {"good", body, errors.New("s3cret"), 503, "fail", 0},
		"the largest":           {"good", body + strings.Repeat(" ", 64<<10-len(body)), nil, 200, "success", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			d.store.fails = tc.store
			a := d.call("", "POST", callbacks+"?any=thing", tc.body, "Signature", tc.signature, "Content-Type", "text/xml", "Accept", "text/html")
			require.Equal(t, tc.status, a.Code)
			require.Equal(t, tc.text, a.Body.String(), "in the channel's own form")
			require.Equal(t, "text/plain", a.Header().Get("Content-Type"))
			require.Len(t, d.store.received, tc.kept)
			if tc.kept == 1 {
				require.Equal(t, tc.body, string(d.store.received["sandbox/e1"]), "byte for byte")
				require.Equal(t, "01939b1c-5f4a-7c3e-9a00-c0ffee00ab00", d.logs.All()[0].ContextMap()["order_id"])
			}
		})
	}
}

func TestACallbackTooLargeIsNotRead(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.call("", "POST", callbacks, strings.Repeat(" ", 64<<10+1), "Signature", "good").problem(api.TooLarge)
	require.Empty(t, d.store.received)
}

func TestACallbackThatComesTwiceIsTakenTwice(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for range 2 {
		a := d.call("", "POST", callbacks, `{"id":"e1","no":"01939b1c5f4a7c3e9a00c0ffee00ab01"}`, "Signature", "good")
		require.Equal(t, "success", a.Body.String())
	}
	require.Len(t, d.store.received, 1)
}
