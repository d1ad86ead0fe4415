package merchant

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
)

func TestNewSecretIsValidAndNew(t *testing.T) {
	t.Parallel()
	a, b := NewSecret(), NewSecret()
	require.NoError(t, ValidSecret(a))
	require.NotEqual(t, a, b)
}

func TestValidSecret(t *testing.T) {
	t.Parallel()
	of := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for name, secret := range map[string]string{
		"empty":           "",
		"prefix alone":    "whsec_",
		"without prefix":  of(32),
		"too short":       "whsec_" + of(23),
		"too long":        "whsec_" + of(65),
		"not base64":      "whsec_" + strings.Repeat("*", 44),
		"a line break in": "whsec_" + of(32)[:20] + "\n" + of(32)[20:],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := ValidSecret(secret)
			require.Error(t, err)
			if len(secret) > 10 {
				require.NotContains(t, err.Error(), secret[6:], "an error never shows a secret")
			}
		})
	}
	require.NoError(t, ValidSecret("whsec_"+of(24)))
	require.NoError(t, ValidSecret("whsec_"+of(64)))
}

// The example of the Standard Webhooks specification's own libraries.
func TestSignKnownAnswer(t *testing.T) {
	t.Parallel()
	got, err := Sign([]string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, "msg_p5jXN8AQM9LWM0D4loKWxJek",
		time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	require.NoError(t, err)
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", got)
}

func TestEverySecretSigns(t *testing.T) {
	t.Parallel()
	secrets := []string{NewSecret(), NewSecret(), NewSecret()}
	at, body := time.Now(), []byte(`{"n":1}`)
	signature, err := Sign(secrets, "n1", at, body)
	require.NoError(t, err)
	require.Len(t, strings.Fields(signature), 3)

	h := http.Header{}
	h.Set("webhook-id", "n1")
	h.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	h.Set("webhook-signature", signature)
	for i, secret := range secrets {
		require.NoError(t, verify(t, secret, body, h), "secret %d", i)
		alone, err := Sign([]string{secret}, "n1", at, body)
		require.NoError(t, err)
		require.Equal(t, alone, strings.Fields(signature)[i], "they come in the order of the secrets")
	}
	require.Error(t, verify(t, NewSecret(), body, h), "a stranger's secret")
	require.Error(t, verify(t, secrets[0], []byte(`{"n":2}`), h), "another body")
	h.Set("webhook-id", "n2")
	require.Error(t, verify(t, secrets[0], body, h), "another id")
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	_, err := Sign(nil, "n1", time.Now(), nil)
	require.Error(t, err)
	_, err = Sign([]string{NewSecret(), "whsec_x"}, "n1", time.Now(), nil)
	require.ErrorIs(t, err, errSecret)
}

func verify(t *testing.T, secret string, body []byte, h http.Header) error {
	t.Helper()
	wh, err := standardwebhooks.NewWebhook(secret)
	require.NoError(t, err)
	return wh.Verify(body, h)
}

func BenchmarkSign(b *testing.B) {
	secrets, body := []string{NewSecret()}, bytes.Repeat([]byte("x"), 900)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Sign(secrets, "01970000-0000-7000-8000-000000000080", noon, body); err != nil {
			b.Fatal(err)
		}
	}
}
