package sandbox_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/payment/sandbox"
)

// The reference was made with:
//
//	printf '1700000000.{"event_id":"e1"}' | openssl dgst -sha256 -hmac dev_sandbox_secret
const referenceMAC = "5bf9652cd4834b4b33f15f3760be1a548b7e159df006985a060358311832b44c"

func TestSignIsAsPublished(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 999_999_999)
	require.Equal(t, "t=1700000000,v1="+referenceMAC, sandbox.Sign(secret, []byte(`{"event_id":"e1"}`), at))
}

func TestVerify(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	good := "t=1700000000,v1=" + referenceMAC
	other := strings.Repeat("00", 32)
	for _, c := range []struct {
		name   string
		header []string
		now    time.Time
		want   error
	}{
		{"as it was signed", []string{good}, at, nil},
		{"with spaces", []string{"t=1700000000, v1=" + referenceMAC}, at, nil},
		{"in capitals", []string{"t=1700000000,v1=" + strings.ToUpper(referenceMAC)}, at, nil},
		{"one of two secrets fits", []string{"t=1700000000,v1=" + other + ",v1=" + referenceMAC}, at, nil},
		{"beside a later scheme", []string{good + ",v2=whatever"}, at, nil},
		{"at the edge of the past", []string{good}, at.Add(300 * time.Second), nil},
		{"at the edge of the future", []string{good}, at.Add(-300 * time.Second), nil},

		{"too old", []string{good}, at.Add(301 * time.Second), sandbox.ErrStaleTime},
		{"from the future", []string{good}, at.Add(-301 * time.Second), sandbox.ErrStaleTime},
		{"another time", []string{"t=1700000001,v1=" + referenceMAC}, at, sandbox.ErrForged},
		{"the same time written otherwise", []string{"t=01700000000,v1=" + referenceMAC}, at, sandbox.ErrForged},
		{"another signature", []string{"t=1700000000,v1=" + other}, at, sandbox.ErrForged},
		{"half a signature", []string{"t=1700000000,v1=" + referenceMAC[:32]}, at, sandbox.ErrForged},
		{"the ninth signature", []string{"t=1700000000" + strings.Repeat(",v1="+other, 8) + ",v1=" + referenceMAC}, at, sandbox.ErrForged},
		{"no header", nil, at, sandbox.ErrUnsigned},
		{"two headers", []string{good, good}, at, sandbox.ErrUnsigned},
		{"two times", []string{"t=1700000000," + good}, at, sandbox.ErrUnsigned},
		{"no time", []string{"v1=" + referenceMAC}, at, sandbox.ErrUnsigned},
		{"a negative time", []string{"t=-1,v1=" + referenceMAC}, at, sandbox.ErrUnsigned},
		{"a time beyond time", []string{"t=99999999999999999999,v1=" + referenceMAC}, at, sandbox.ErrUnsigned},
		{"no signature", []string{"t=1700000000"}, at, sandbox.ErrUnsigned},
		{"a signature that is not hex", []string{"t=1700000000,v1=zz"}, at, sandbox.ErrUnsigned},
		{"only another scheme", []string{"t=1700000000,v0=" + referenceMAC}, at, sandbox.ErrUnsigned},
		{"a very long header", []string{good + "," + strings.Repeat("x", 1024)}, at, sandbox.ErrUnsigned},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{sandbox.SignatureHeader: c.header}
			require.ErrorIs(t, sandbox.Verify(secret, h, []byte(`{"event_id":"e1"}`), c.now), c.want)
		})
	}
}
