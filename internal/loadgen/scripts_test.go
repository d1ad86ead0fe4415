package loadgen

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/producer/api"
)

// play takes one buyer through a script at the shop.
func play(t *testing.T, s *shop, name string) *Traffic {
	t.Helper()
	tr := newTraffic(s.options(1))
	tr.serve(tr.buyer(find(t, name), 1))
	tr.Stop()
	return tr
}

func TestEachScriptDoesWhatItsNameSays(t *testing.T) {
	t.Parallel()
	const abnormal = "order fail · pay 1 refund_abnormal"
	want := map[string]string{
		"confirmed":           "order deliver · pay 1 · look: delivered · confirm",
		"delivered":           "order deliver · pay 1",
		"accepted":            "order accept · pay 1",
		"callback duplicated": "order deliver · pay 1 duplicate",
		"callback dropped":    "order deliver · pay 1 drop",
		"callback delayed":    "order deliver · pay 1 delay",
		"delivered late":      "order late of slow · pay 1",

		"expired":     "order within 2 to 5 s",
		"cancelled":   "order · cancel",
		"bad request": "refuse",

		"called off":               "order accept · pay 1 · look: delivering · cancel",
		"called off at once":       "order late · pay 1 · look: paid · cancel",
		"called off too late":      "order deny · pay 1 · look: delivering · cancel · look: delivered · confirm",
		"called off unanswered":    "order silent of slow · pay 1 · look: delivering · cancel",
		"called off while paying":  "order deliver · pay 1 drop · cancel",
		"never delivered":          "order ignore of slow · pay 1",
		"never delivered, stopped": "order accept of slow · pay 1",

		"undeliverable":           "order fail · pay 1",
		"refund slow":             "order break · pay 1 refund_slow",
		"refund replaced":         "order fail · pay 1 refund_failed × 1",
		"balance short":           "order fail · pay 1 balance_short × 2",
		"paid twice":              "order deliver · open another · pay 1 · pay 2 late",
		"paid late":               "order within 2 to 5 s · look: closed · pay 1 late",
		"wrong amount":            "order deliver · pay 1 wrong_amount",
		"refunded in part":        "order deliver · pay 1 · look: delivered · ask for a part",
		"refunded twice at once":  "order deliver · pay 1 · look: delivered · ask for a part · ask for too much",
		"refunded after delivery": "order deliver · pay 1 · look: delivered · ask for all of it",
		"refunded when completed": "order deliver · pay 1 · look: delivered · confirm · ask for all of it",

		"refund abnormal":       abnormal,
		"refund retried":        abnormal + " × 1 · look: refunding, refund_abnormal · retry r2",
		"refund paid out":       abnormal + " · look: refunding, refund_abnormal · paid-out r2 BANK-r2",
		"wrong amount accepted": "order deliver · pay 1 wrong_amount · look: pending_pay, payment_mismatch · accept payment 1",
		"conflict":              "order contradict · pay 1 · look: delivering · cancel",
		"conflict decided":      "order contradict · pay 1 · look: delivering · cancel · look: refunding, delivery_conflict · resolve: delivered",
		"conflict too late":     "order protest · pay 1 · look: delivering · cancel · look: refunded, delivery_conflict · resolve: delivered · resolve: refunded",
	}
	for _, sc := range scripts() {
		if sc.name == "paid while cancelled" {
			continue // has a test of its own
		}
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop()
				tr := play(t, s, sc.name)
				require.Equal(t, want[sc.name], strings.Join(s.told(), " · "))
				require.Equal(t, map[string]int64{sc.name: 1}, tr.Stats().Ended)
			})
		})
	}
}

func TestARaceMayEndEitherWay(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{"the payment was first": "/sandbox/", "the cancellation was first": "/cancel"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop()
				s.before = func(_ http.ResponseWriter, r *http.Request) bool {
					if !isOrder(r) && !strings.Contains(r.URL.Path, first) {
						<-time.After(time.Second) // in the bubble: when all else stands still
					}
					return false
				}
				st := play(t, s, "paid while cancelled").Stats()
				require.Len(t, s.told(), 3)
				require.Equal(t, map[string]int64{"paid while cancelled": 1}, st.Ended)
				require.Zero(t, st.Errors)
			})
		})
	}
}

// Two refunds that want more than there is: one is made. Both, or none, is what
// the script is there to find.
func TestTwoRefundsAtOnceMustNotBothBeMade(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(http.ResponseWriter) bool{
		"both": func(w http.ResponseWriter) bool { answer(w, 202, api.Refund{ID: "r1"}); return true },
		"none": func(w http.ResponseWriter) bool { refuse(w, 409, api.NotAllowed); return true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop()
				s.before = func(w http.ResponseWriter, r *http.Request) bool {
					return strings.HasSuffix(r.URL.Path, "/refunds") && before(w)
				}
				st := play(t, s, "refunded twice at once").Stats()
				require.Empty(t, st.Ended)
				require.Equal(t, int64(1), st.Errors)
			})
		})
	}
}

func TestAnOrderSaysWhichScriptItFollows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		play(t, s, "paid twice")
		require.Equal(t, map[string]string{
			"demo": "deliver", "script": "paid twice", "expect": "delivered, the second payment refunded",
		}, s.seen[0].Metadata)
		require.Equal(t, "TEA-1", s.seen[0].Items[0].SKU)
	})
}

func TestWhatGoesWrongIsCountedByItsKind(t *testing.T) {
	t.Parallel()
	say := func(status int, p api.ProblemType, at string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, at) {
				refuse(w, status, p)
			}
			return strings.Contains(r.URL.Path, at)
		}
	}
	for _, c := range []struct {
		name, script string
		shop         func(*shop)
		want         Stats
	}{
		{"out of stock is the shop's affair", "delivered", func(s *shop) { s.before = say(409, api.OutOfStock, "/v1/") }, Stats{OutOfStock: 1}},
		{"the API fails", "delivered", func(s *shop) { s.before = say(500, api.Internal, "/v1/") }, Stats{Errors: 1}},
		{"the API is away, twice", "delivered", func(s *shop) { s.before = say(503, api.Unavailable, "/v1/") }, Stats{Errors: 1}},
		{"the API is overloaded", "delivered", func(s *shop) { s.before = say(503, api.Overloaded, "/v1/") }, Stats{TurnedAway: 1}},
		{"the pay page fails", "delivered", func(s *shop) { s.before = say(500, "", "/sandbox/") }, Stats{Orders: 1, Errors: 1}},
		{"cancelling fails while paying", "paid while cancelled", func(s *shop) { s.before = say(500, api.Internal, "/cancel") }, Stats{Orders: 1, Errors: 1}},
		{"what must be refused is not", "bad request", func(s *shop) {
			s.before = func(w http.ResponseWriter, _ *http.Request) bool { answer(w, 201, api.Order{ID: "o1"}); return true }
		}, Stats{Errors: 1}},
		{"the API gives no link to pay at", "delivered", func(s *shop) {
			s.before = func(w http.ResponseWriter, _ *http.Request) bool { answer(w, 201, api.Order{ID: "o1"}); return true }
		}, Stats{Orders: 1, Errors: 1}},
		{"the delivery never comes", "confirmed", func(s *shop) { s.never = true }, Stats{Orders: 1, GaveUp: 1}},
		{"nobody hears that it is paid", "called off", func(s *shop) { s.never = true }, Stats{Orders: 1, GaveUp: 1}},
		{"the refund is never abnormal", "refund retried", func(s *shop) { s.never = true }, Stats{Orders: 1, GaveUp: 1}},
		{"the operator is refused", "refund paid out", func(s *shop) { s.before = say(409, api.NotAllowed, "/refunds/") }, Stats{Orders: 1, Errors: 1}},
		{"the close never comes", "paid late", func(s *shop) { s.never = true }, Stats{Orders: 1, GaveUp: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop()
				c.shop(s)
				got := play(t, s, c.script).Stats()
				got.Rate, got.P50, got.P99 = 0, 0, 0
				require.Equal(t, c.want, got)
			})
		})
	}
}

func TestWaitingEndsInLessThanAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.never = true
		began := time.Now()
		play(t, s, "confirmed")
		require.Len(t, s.told(), 2+maxLooks)
		require.Less(t, time.Since(began), time.Minute)
	})
}

func TestTheDeckHoldsEveryScriptByItsShare(t *testing.T) {
	t.Parallel()
	names := map[string]int{}
	for _, s := range scripts() {
		require.Positive(t, s.share, s.name)
		require.NotContains(t, names, s.name)
		names[s.name] = s.share
	}
	for seed := range uint64(20) {
		d := newDeck(seed)
		for range 3 { // every hundred, not only the first
			dealt := map[string]int{}
			for range 100 {
				dealt[d.draw().name]++
			}
			require.Equal(t, names, dealt)
		}
	}
}

func TestTheSeedSettlesTheSequence(t *testing.T) {
	t.Parallel()
	deal := func(seed uint64) (names []string) {
		d := newDeck(seed)
		for range 250 {
			names = append(names, d.draw().name)
		}
		return names
	}
	one, same, other := deal(1), deal(1), deal(2)
	require.Equal(t, one, same)
	require.NotEqual(t, one, other)
	require.NotEqual(t, one[:100], one[100:200], "each hundred is shuffled anew")
}
