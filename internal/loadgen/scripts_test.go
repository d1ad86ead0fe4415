package loadgen

import (
	"math/rand/v2"
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
	tr.serve(&buyer{t: tr, script: find(t, name), came: time.Now(), rng: rand.New(rand.NewPCG(1, 0))})
	tr.Stop()
	return tr
}

func TestEachScriptDoesWhatItsNameSays(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"confirmed":           "order deliver · pay 1 · look: delivered · confirm",
		"delivered":           "order deliver · pay 1",
		"undeliverable":       "order fail · pay 1",
		"refund slow":         "order fail · pay 1 refund_slow",
		"accepted":            "order accept · pay 1",
		"expired":             "order within 2 to 5 s",
		"cancelled":           "order · cancel",
		"paid twice":          "order deliver · open another · pay 1 · pay 2 late",
		"paid late":           "order within 2 to 5 s · look: closed · pay 1 late",
		"callback duplicated": "order deliver · pay 1 duplicate",
		"callback dropped":    "order deliver · pay 1 drop",
		"callback delayed":    "order deliver · pay 1 delay",
		"wrong amount":        "order deliver · pay 1 wrong_amount",
		"bad request":         "refuse",
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
		{"the pay page fails", "delivered", func(s *shop) { s.before = say(500, "", "/sandbox/") }, Stats{Orders: 1, Errors: 1}},
		{"cancelling fails while paying", "paid while cancelled", func(s *shop) { s.before = say(500, api.Internal, "/cancel") }, Stats{Orders: 1, Errors: 1}},
		{"what must be refused is not", "bad request", func(s *shop) {
			s.before = func(w http.ResponseWriter, _ *http.Request) bool { answer(w, 201, api.Order{ID: "o1"}); return true }
		}, Stats{Errors: 1}},
		{"the API gives no link to pay at", "delivered", func(s *shop) {
			s.before = func(w http.ResponseWriter, _ *http.Request) bool { answer(w, 201, api.Order{ID: "o1"}); return true }
		}, Stats{Orders: 1, Errors: 1}},
		{"the delivery never comes", "confirmed", func(s *shop) { s.never = true }, Stats{Orders: 1, GaveUp: 1}},
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
