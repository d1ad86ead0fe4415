package merchant

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                        0,
		"0":                       0,
		"120":                     2 * time.Minute,
		"86400":                   MaxRetryAfter,
		"86401":                   MaxRetryAfter,
		"99999999999999999999999": MaxRetryAfter,
		"-5":                      0,
		"1.5":                     0,
		"soon":                    0,
		now.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second,
		now.Add(90 * time.Second).Format(time.RFC850):     90 * time.Second,
		now.Add(-time.Hour).Format(http.TimeFormat):       0,
		now.AddDate(1, 0, 0).Format(http.TimeFormat):      MaxRetryAfter,
	} {
		require.Equal(t, want, retryAfter(value, now), "Retry-After: %q", value)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "120", "-1", "99999999999999999999", "Wed, 04 Mar 2026 12:00:00 GMT"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if d := retryAfter(value, time.Now()); d < 0 || d > MaxRetryAfter {
			t.Fatalf("Retry-After %q gave %s", value, d)
		}
	})
}

func TestClipMakesStrangersTextFit(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"plain", "a\x00b\r\nc", "\xff\xfe", strings.Repeat("茶", 100), strings.Repeat("\xff", 500)} {
		got := clip(s, 100)
		require.True(t, utf8.ValidString(got), "%q", got)
		require.LessOrEqual(t, len(got), 100+len("…"))
		require.False(t, strings.ContainsAny(got, "\x00\r\n"), "%q", got)
	}
}

func TestClassOfAnAttempt(t *testing.T) {
	t.Parallel()
	require.Equal(t, Class(""), Attempt{OK: true}.Class())
	require.Equal(t, Status, Attempt{Error: "status: it answered 500: oops"}.Class())
}
