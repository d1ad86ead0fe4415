package bench

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/merchant"
)

// opened is a merchant that runs, its address, and what it reports.
func opened(t *testing.T, m Merchant) (url string, reports *bufio.Reader) {
	t.Helper()
	r, w := io.Pipe()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx, w) }()
	t.Cleanup(func() {
		go func() { _, _ = io.Copy(io.Discard, r) }()
		stop()
		require.NoError(t, <-ended)
		_ = w.Close()
	})
	reports = bufio.NewReader(r)
	addr, ok := strings.CutPrefix(line(t, reports), "listening ")
	require.True(t, ok)
	return "http://" + addr + "/notices", reports
}

func line(t *testing.T, from *bufio.Reader) string {
	t.Helper()
	s, err := from.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(s)
}

func send(t *testing.T, url string, body []byte, headers map[string]string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	require.NoError(t, err)
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	return resp.StatusCode
}

func TestTheMerchantBelievesSignedNoticesOnly(t *testing.T) {
	t.Parallel()
	secret := merchant.NewSecret()
	url, reports := opened(t, Merchant{Reader: "webhooks", Secret: secret})
	notice := func(body, secret string) map[string]string {
		now := time.Now()
		signature, err := merchant.Sign([]string{secret}, "n1", now, []byte(body))
		require.NoError(t, err)
		return map[string]string{"webhook-id": "n1", "webhook-timestamp": strconv.FormatInt(now.Unix(), 10), "webhook-signature": signature}
	}
	const paid = `{"type":"order.paid","data":{"order":{"id":"o1"}}}`
	require.Equal(t, http.StatusOK, send(t, url, []byte(paid), notice(paid, secret)))
	f := strings.Fields(line(t, reports))
	require.Equal(t, []string{"told", "o1", "n1"}, f[:3])

	require.Equal(t, http.StatusUnauthorized, send(t, url, []byte(paid), notice(paid, merchant.NewSecret())))
	require.Contains(t, line(t, reports), "refused ")

	const other = `{"type":"refund.succeeded","data":{"order":{"id":"o1"}}}`
	require.Equal(t, http.StatusUnauthorized, send(t, url, []byte(other), notice(other, secret)))
	require.Contains(t, line(t, reports), "nothing but payments")
}

// One of two doors hangs: it answers after its time, or when it is mended, and
// of who left before it says nothing.
func TestADoorThatHangs(t *testing.T) {
	t.Parallel()
	mended := make(chan struct{})
	url, reports := opened(t, Merchant{Reader: "hmac", Secret: baselineSecret, Doors: Doors{Count: 2, Hanging: 0.5, For: time.Hour}, Mended: mended})
	open, hanging, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/notices"), " ")
	require.True(t, ok)
	tell := func(ctx context.Context, door, number string) error {
		body := `{"order_id":` + number + `}`
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+door+"/notices", strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set(baselineSignature, hexMAC(baselineSecret, []byte(body)))
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	}
	impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, tell(impatient, hanging, "1"), context.DeadlineExceeded)
	require.NoError(t, tell(t.Context(), open, "2"))
	require.Contains(t, line(t, reports), "told 2 2 ")
	waited := make(chan error, 1)
	go func() { waited <- tell(t.Context(), hanging, "3") }()
	close(mended)
	require.NoError(t, <-waited)
	require.Contains(t, line(t, reports), "told 3 3 ")
}

func TestTheMerchantReadsTheBaselines(t *testing.T) {
	t.Parallel()
	url, reports := opened(t, Merchant{Reader: "hmac", Secret: baselineSecret, Think: time.Millisecond})
	body := []byte(`{"order_id":17}`)
	require.Equal(t, http.StatusOK, send(t, url, body, map[string]string{baselineSignature: hexMAC(baselineSecret, body)}))
	require.Contains(t, line(t, reports), "told 17 17 ")
	require.Equal(t, http.StatusUnauthorized, send(t, url, body, map[string]string{baselineSignature: "00"}))
	require.Equal(t, "refused wrong signature", line(t, reports))
}

func TestAMerchantThatCannotBe(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, Merchant{Reader: "tea leaves"}.Run(t.Context(), io.Discard), `no reader "tea leaves"`)
	require.Error(t, Merchant{Reader: "webhooks", Secret: "whsec_!"}.Run(t.Context(), io.Discard))
}
