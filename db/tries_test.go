package db_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// tries are one of each sort, at different endpoints.
func tries(at time.Time) map[string]merchant.Attempt {
	remote := netip.MustParseAddrPort("203.0.113.7:443")
	return map[string]merchant.Attempt{
		"taken on a kept connection": {
			OK: true, HTTPStatus: 200, Duration: 12 * time.Millisecond, Remote: remote, Timing: merchant.Timing{FirstByte: 11_500 * time.Microsecond},
		},
		"taken with a word": {
			OK: true, HTTPStatus: 200, Duration: 12 * time.Millisecond, Remote: netip.MustParseAddrPort("[2001:db8::1]:443"),
			Timing: merchant.Timing{FirstByte: time.Microsecond}, Answer: merchant.Answer{Body: []byte("success")},
		},
		"refused on a new connection": {
			HTTPStatus: 503, Duration: 2 * time.Second, Error: "status: it answered 503 Service Unavailable", Remote: remote,
			Timing: merchant.Timing{DNS: time.Millisecond, Connect: 2 * time.Millisecond, TLS: 30 * time.Millisecond, FirstByte: 1999 * time.Millisecond},
			Answer: merchant.Answer{
				Body: bytes.Repeat([]byte{0, 0xff, 'x', '\''}, 4<<10), Truncated: true, ContentType: "text/html", ContentEncoding: "gzip",
				Location: `https://"shop"/`, RetryAfter: "30", Server: "nginx", Date: "Mon, 02 Mar 2026 09:30:00 GMT", RequestID: "r-1",
			},
		},
		"nobody there": {
			Duration: 3 * time.Millisecond, Error: "refused: nobody listens at the endpoint's address and port", Remote: remote,
			Timing: merchant.Timing{Connect: 3 * time.Millisecond},
		},
		"not even tried": {Error: "blocked: the host leads to a private or reserved address; notices go to public ones only"},
	}
}

// What was seen of a try is in the log, by whichever of the two ways it gets
// there; and what was not seen is not.
func TestATryIsLoggedAsItWas(t *testing.T) {
	for way, verdict := range map[string]tasks.Verdict{"fulfilled": tasks.Done(), "tried again": tasks.Later(errTest)} {
		t.Run(way, func(t *testing.T) {
			b := newBench(t)
			o, row := b.telling()
			at, logged := b.now(), []merchant.Attempt{}
			for _, a := range tries(at) {
				a.EndpointID, a.At = ident.New[merchant.Endpoint](), at
				logged = append(logged, a)
			}
			require.NoError(t, b.Settle(b.ctx, tasks.Settlement{Row: row, Verdict: verdict, Tries: logged})[0])

			id := order.DeliveryID(o.ID).String()
			got, err := b.AttemptLog(b.ctx, merchant.AttemptFilter{NoticeID: id})
			require.NoError(t, err)
			require.ElementsMatch(t, logged, got)
			short, err := b.NoticeAttempts(b.ctx, id)
			require.NoError(t, err)
			require.Len(t, short, len(logged))
			for _, a := range short {
				require.Empty(t, a.Answer)
			}
			var classes []string
			require.NoError(t, b.NewSelect().Table("notice_attempts").ColumnExpr("split_part(error, ':', 1) AS class").Where("NOT ok").Order("class").Scan(b.ctx, &classes))
			require.Equal(t, []string{"blocked", "refused", "status"}, classes)
		})
	}
}

// Most tries succeed on a kept connection. What they have nothing of is NULL in
// their rows, and what they need not explain is not kept.
func TestASuccessIsLoggedInFewBytes(t *testing.T) {
	b := newBench(t)
	_, row := b.telling()
	a := tries(b.now())["taken on a kept connection"]
	a.EndpointID, a.At, a.Answer = ident.New[merchant.Endpoint](), b.now(), merchant.Answer{Date: "Mon, 02 Mar 2026 09:30:00 GMT", ContentType: "text/plain"}
	require.NoError(t, b.Settle(b.ctx, tasks.Settlement{Row: row, Verdict: tasks.Done(), Tries: []merchant.Attempt{a}})[0])
	var nulls, size int
	require.NoError(t, b.QueryRowContext(b.ctx, `SELECT num_nulls(answer, dns_us, connect_us, tls_us, headers, truncated), pg_column_size(t) FROM notice_attempts t`).Scan(&nulls, &size))
	require.Equal(t, 6, nulls)
	require.LessOrEqual(t, size, 116)
}
