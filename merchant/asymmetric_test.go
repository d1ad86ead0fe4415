package merchant

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The example of Svix's own libraries.
const (
	knownPrivate = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
	knownPublic  = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
)

func TestSignPairKnownAnswer(t *testing.T) {
	t.Parallel()
	require.NoError(t, ValidSecret(knownPrivate))
	require.Equal(t, knownPublic, PublicKey(knownPrivate))
	got, err := Sign([]string{knownPrivate}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	require.NoError(t, err)
	require.Equal(t, "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==", got)
}

func TestNewKeyPairIsValidAndNew(t *testing.T) {
	t.Parallel()
	a, b := NewKeyPair(), NewKeyPair()
	require.NoError(t, ValidSecret(a))
	require.NotEqual(t, a, b)
	require.NotEqual(t, PublicKey(a), PublicKey(b))
	require.NotContains(t, PublicKey(a), a[len(privatePrefix):40], "nothing private is in it")
	require.Empty(t, PublicKey(NewSecret()), "what is shared has no public half")
}

// While a merchant changes from v1 to v1a both are in the header, and each
// verifies by itself.
func TestBothSchemesSign(t *testing.T) {
	t.Parallel()
	shared, pair := NewSecret(), NewKeyPair()
	at, body := time.Unix(1614265330, 0), []byte(`{"n":1}`)
	header, err := Sign([]string{pair, shared}, "n1", at, body)
	require.NoError(t, err)
	values := strings.Fields(header)
	require.Len(t, values, 2)

	signature, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(values[0], "v1a,"))
	require.NoError(t, err)
	public, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(PublicKey(pair), publicPrefix))
	require.NoError(t, err)
	require.True(t, ed25519.Verify(public, []byte(`n1.1614265330.{"n":1}`), signature))
	require.False(t, ed25519.Verify(public, []byte(`n1.1614265331.{"n":1}`), signature))

	alone, err := Sign([]string{shared}, "n1", at, body)
	require.NoError(t, err)
	require.Equal(t, alone, values[1])
}

func TestKeyPairsThatAreRefused(t *testing.T) {
	t.Parallel()
	pair, other := strings.TrimPrefix(NewKeyPair(), privatePrefix), strings.TrimPrefix(NewKeyPair(), privatePrefix)
	raw, err := base64.StdEncoding.DecodeString(pair)
	require.NoError(t, err)
	foreign, err := base64.StdEncoding.DecodeString(other)
	require.NoError(t, err)
	for name, secret := range map[string]string{
		"prefix alone":             "",
		"its seed alone":           base64.StdEncoding.EncodeToString(raw[:32]),
		"another's public half":    base64.StdEncoding.EncodeToString(append(raw[:32:32], foreign[32:]...)),
		"not base64":               strings.Repeat("*", 88),
		"a line break in":          pair[:20] + "\n" + pair[20:],
		"something behind it":      pair + "AAAA",
		"the prefix of a public":   "whpk_" + pair,
		"a bit of another spelled": pair[:85] + "h==",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := ValidSecret(privatePrefix + secret)
			require.ErrorIs(t, err, errPrivateKey)
			require.NotContains(t, err.Error(), pair[:10], "an error never shows a key")
			_, err = Sign([]string{privatePrefix + secret}, "n1", time.Now(), nil)
			require.Error(t, err)
		})
	}
}

func FuzzValidSecret(f *testing.F) {
	for _, seed := range []string{knownPrivate, NewSecret(), "whsec_", "whsk_", "", "whsk_AAAA", knownPublic} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, secret string) {
		_, err := Sign([]string{secret}, "n1", time.Unix(1614265330, 0), []byte("{}"))
		if (err == nil) != (ValidSecret(secret) == nil) {
			t.Fatalf("%q: valid is what signs, and nothing else: %v", secret, err)
		}
	})
}

func BenchmarkSignPair(b *testing.B) {
	secrets, body := []string{NewKeyPair()}, []byte(strings.Repeat("x", 900))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Sign(secrets, "01970000-0000-7000-8000-000000000080", noon, body); err != nil {
			b.Fatal(err)
		}
	}
}
