package monitor

import (
	"context"
	"encoding/base64"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/hibiken/asynq"
	"github.com/orderflow/orderflow/tasks"
	"github.com/stretchr/testify/require"
)

// An operator opens the page in a real browser on a host without internet:
// everything works, and nothing is fetched from elsewhere.
func TestAnOperatorSeesTheQueues(t *testing.T) {
	t.Parallel()
	_, client := newRedis(t)
	ids := subjects(2)
	enqueue(t, client, tasks.Critical, "order:close", tasks.Encode(ids))
	enqueue(t, client, tasks.Critical, "order:close", []byte(`{"card":"4111111111111111"}`))
	enqueue(t, client, tasks.Low, "order:complete", tasks.Encode(subjects(1)))
	h, err := Asynqmon(Options{Redis: client, Guard: operators})
	require.NoError(t, err)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)

	tab, wires := openBrowser(t)
	require.NoError(t, chromedp.Do(tab,
		chromedp.Navigate(server.URL+"/monitor/"),
		chromedp.WaitVisible(`//table//*[text()="critical"]`),
		chromedp.WaitVisible(`//table//*[text()="low"]`),
	))

	require.NoError(t, chromedp.Do(tab,
		chromedp.Navigate(server.URL+"/monitor/queues/critical?status=pending"),
		chromedp.WaitVisible(`//code[contains(., "masked, 27 bytes")]`),
	))
	table, err := chromedp.Run(tab, chromedp.TextContent(chromedp.CSS("table")))
	require.NoError(t, err)
	require.Contains(t, table, maskPayload("order:close", tasks.Encode(ids)))
	require.NotContains(t, table, "4111")

	status, err := chromedp.Run(tab, chromedp.Evaluate[int](
		`fetch("/monitor/api/queues/low:pause", {method: "POST"}).then(r => r.status)`, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	require.Equal(t, 204, status)
	low, err := asynq.NewInspectorFromRedisClient(client).GetQueueInfo("low")
	require.NoError(t, err)
	require.True(t, low.Paused)

	told, err := chromedp.Run(tab, chromedp.Evaluate[string](
		`fetch("https://elsewhere.example/?stolen").then(() => "sent", () => "blocked")`, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	require.Equal(t, "blocked", told)
	wires.requireAllTo(t, server.URL)
}

// openBrowser is a tab that knows the operator's password and resolves no
// name, and what it asks the network for.
func openBrowser(t *testing.T) (context.Context, *wiretap) {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)),
		chromedp.NoSandbox, // it runs as root in CI, and opens our own page only
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	tab, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	t.Cleanup(func() { _ = chromedp.Cancel(tab) })
	require.NoError(t, chromedp.Do(tab), "start chromium")

	limited, cancel := context.WithTimeout(tab, 90*time.Second)
	t.Cleanup(cancel)
	w := &wiretap{asked: map[network.RequestID]string{}, refused: map[network.RequestID]bool{}}
	require.NoError(t, chromedp.Listen(limited, w.hear))
	_, err := chromedp.Call(limited, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	key := "Basic " + base64.StdEncoding.EncodeToString([]byte("ops:let me in"))
	_, err = chromedp.Call(limited, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{
		Headers: network.Headers{"Authorization": key},
	})
	require.NoError(t, err)
	return limited, w
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "headless-shell"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no chromium or google-chrome on PATH: what a browser makes of the page is not tested here")
	return ""
}

// wiretap keeps what the page asked for, and what its policy refused to send.
type wiretap struct {
	mu      sync.Mutex
	asked   map[network.RequestID]string
	refused map[network.RequestID]bool
}

func (w *wiretap) hear(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		w.asked[e.RequestID] = e.Request.URL
	case *network.EventLoadingFailed:
		w.refused[e.RequestID] = e.BlockedReason == network.BlockedReasonCsp
	}
}

func (w *wiretap) requireAllTo(t *testing.T, home string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	want, err := url.Parse(home)
	require.NoError(t, err)
	sent := 0
	for id, address := range w.asked {
		u, err := url.Parse(address)
		require.NoError(t, err)
		if u.Host == want.Host {
			sent++
			continue
		}
		require.True(t, w.refused[id], "%s left the host", address)
	}
	require.Greater(t, sent, 5, "nothing was heard: is the network being listened to?")
}
