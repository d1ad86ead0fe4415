package merchant

import (
	"net/http"
	"net/http/httptest"
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

func TestAckModes(t *testing.T) {
	t.Parallel()
	const wantsSuccess, wantsCode = "not with the body success", `not with the body {"code":"SUCCESS"}`
	for _, c := range []struct {
		mode   AckMode
		status int
		body   string
		class  Class
		says   string
	}{
		{"", 200, "fail", "", ""},
		{"", 204, "", "", ""},
		{Ack2xx, 200, "fail", "", ""},
		{Ack2xx, 500, "success", Status, "500"},

		{AckSuccess, 200, "success", "", ""},
		{AckSuccess, 202, " SUCCESS\r\n", "", ""},
		{AckSuccess, 200, "Success", "", ""},
		{AckSuccess, 500, "success", Status, "500"},
		{AckSuccess, 302, "success", Redirect, "302"},
		{AckSuccess, 200, "", Unacknowledged, wantsSuccess},
		{AckSuccess, 204, "", Unacknowledged, "it answered 204 No Content, but " + wantsSuccess},
		{AckSuccess, 200, "fail", Unacknowledged, "it answered 200 OK, but " + wantsSuccess},
		{AckSuccess, 200, "successful", Unacknowledged, wantsSuccess},
		{AckSuccess, 200, `"success"`, Unacknowledged, wantsSuccess},
		{AckSuccess, 200, "<html>success</html>", Unacknowledged, wantsSuccess},
		{AckSuccess, 200, `{"code":"SUCCESS"}`, Unacknowledged, wantsSuccess},
		{AckSuccess, 200, "success" + strings.Repeat(" ", maxAnswer-7), "", ""},
		{AckSuccess, 200, "success" + strings.Repeat(" ", maxAnswer), Unacknowledged, "longer than 16 KiB"},

		{AckCodeSuccess, 200, `{"code":"SUCCESS"}`, "", ""},
		{AckCodeSuccess, 201, ` { "message": "成功", "code": "SUCCESS" } `, "", ""},
		{AckCodeSuccess, 500, `{"code":"SUCCESS"}`, Status, "500"},
		{AckCodeSuccess, 204, "", Unacknowledged, wantsCode},
		{AckCodeSuccess, 200, `{"code":"FAIL","message":"SUCCESS"}`, Unacknowledged, wantsCode},
		{AckCodeSuccess, 200, `{"code":"success"}`, Unacknowledged, wantsCode},
		{AckCodeSuccess, 200, `{"code":0}`, Unacknowledged, wantsCode},
		{AckCodeSuccess, 200, `{"code":"SUCCESS"}{"code":"FAIL"}`, Unacknowledged, wantsCode},
		{AckCodeSuccess, 200, `[{"code":"SUCCESS"}]`, Unacknowledged, wantsCode},
		{AckCodeSuccess, 200, "SUCCESS", Unacknowledged, wantsCode},
		{AckCodeSuccess, 200, "null", Unacknowledged, wantsCode},
		{AckCodeSuccess, 200, `{"code":"SUCCESS"}` + strings.Repeat(" ", maxAnswer) + "{", Unacknowledged, "longer than 16 KiB"},

		{"of a later release", 200, "success", Unacknowledged, `ack mode "of a later release" is unknown`},
	} {
		t.Run(string(c.mode)+" "+c.body[:min(len(c.body), 20)], func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			t.Cleanup(s.Close)
			e := endpoint(s.URL)
			e.Ack = c.mode
			a := develop(t, Timeouts{}).Send(t.Context(), e, notice())
			require.Equal(t, c.class, a.Class(), a.Error)
			require.Equal(t, c.class == "", a.OK)
			require.Contains(t, a.Error, c.says)
			require.Equal(t, c.status, a.HTTPStatus)
		})
	}
}

func TestValidAckModes(t *testing.T) {
	t.Parallel()
	for _, m := range []AckMode{"", Ack2xx, AckSuccess, AckCodeSuccess} {
		require.True(t, m.Valid(), "%q", m)
	}
	require.False(t, AckMode("SUCCESS").Valid())
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
