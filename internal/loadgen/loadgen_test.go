package loadgen

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/orderflow/orderflow/producer/api"
)

func TestTrafficFlowsWithEveryEnding(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		o := s.options(10)
		var (
			mu    sync.Mutex
			ended = map[string]int64{}
		)
		o.Ended = func(id, script string) {
			mu.Lock()
			defer mu.Unlock()
			if (id == "") != (script == "bad request") {
				t.Errorf("script %q ended with order %q", script, id)
			}
			ended[script]++
		}
		tr, err := Start(o)
		require.NoError(t, err)
		<-time.After(20*time.Second - time.Millisecond) // 200 orders: two decks
		tr.Stop()
		st := tr.Stats()
		require.Equal(t, ended, st.Ended)
		require.Equal(t, int64(196), st.Orders, "two of a hundred are bad requests")
		require.Zero(t, st.Errors)
		require.Zero(t, st.InHand)
		var cutOff int64 // the last who come may not have waited to their end
		for _, sc := range scripts() {
			require.Positive(t, st.Ended[sc.name], sc.name)
			require.LessOrEqual(t, st.Ended[sc.name], int64(2*sc.share), sc.name)
			cutOff += int64(2*sc.share) - st.Ended[sc.name]
		}
		require.LessOrEqual(t, cutOff, int64(20))
	})
}

func TestTheSameSeedOrdersTheSame(t *testing.T) {
	t.Parallel()
	orders := func(t *testing.T, seed uint64) (seen []string) {
		synctest.Test(t, func(t *testing.T) {
			s := newShop()
			o := s.options(20)
			o.Seed = seed
			tr, err := Start(o)
			require.NoError(t, err)
			<-time.After(3*time.Second - time.Millisecond)
			tr.Stop()
			for _, o := range s.seen {
				seen = append(seen, fmt.Sprint(o.Metadata["script"], o.BuyerID, o.Items, o.PayWithinSeconds))
			}
		})
		return seen
	}
	one, same, other := orders(t, 5), orders(t, 5), orders(t, 6)
	require.NotEmpty(t, one)
	require.Equal(t, one, same)
	require.NotEqual(t, one, other)
}

func TestOverTheNetwork(t *testing.T) {
	t.Parallel()
	s := newShop()
	server := httptest.NewServer(s)
	defer server.Close()
	s.base = server.URL
	enough := make(chan struct{})
	var ended atomic.Int64
	tr, err := Start(Options{
		API: server.URL + "/", Key: "k", OperatorKey: "op", Rate: 1000, MerchantID: "m_1", SlowMerchantID: "m_1 slow", SKU: "TEA-1",
		Ended: func(string, string) {
			if ended.Add(1) == 200 {
				close(enough)
			}
		},
	})
	require.NoError(t, err)
	select {
	case <-enough:
	case <-t.Context().Done():
	}
	tr.Stop()
	st := tr.Stats()
	require.GreaterOrEqual(t, st.Orders, int64(150))
	require.Zero(t, st.Errors)
	require.Positive(t, st.P50)
	require.GreaterOrEqual(t, st.P99, st.P50)
}

// stuck never answers an intake before its caller has gone; entered counts
// those who wait.
func stuck(s *shop, entered *atomic.Int64) {
	s.before = func(_ http.ResponseWriter, r *http.Request) bool {
		entered.Add(1)
		<-r.Context().Done()
		return true
	}
}

func TestItSkipsRatherThanPilesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		var entered atomic.Int64
		stuck(s, &entered)
		o := s.options(100)
		o.InHand = 5
		tr, err := Start(o)
		require.NoError(t, err)
		<-time.After(time.Second - time.Millisecond)
		st := tr.Stats()
		tr.Stop()
		require.Equal(t, int64(5), entered.Load())
		require.Equal(t, 5, st.InHand)
		require.Equal(t, int64(95), st.Skipped)
	})
}

func TestWhoWaitsDoesNotKeepOthersOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.never = true
		o := s.options(50)
		o.InHand = 10
		tr, err := Start(o)
		require.NoError(t, err)
		<-time.After(30 * time.Second)
		st := tr.Stats()
		tr.Stop()
		require.Zero(t, st.Skipped, "those who wait have half of the room, and the rest go home")
		require.Positive(t, st.GaveUp)
	})
}

func TestStop(t *testing.T) {
	t.Parallel()
	t.Run("lets calls under way end, and begins no further step", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newShop()
			s.before = func(http.ResponseWriter, *http.Request) bool { <-time.After(2 * time.Second); return false }
			tr, err := Start(s.options(1))
			require.NoError(t, err)
			<-time.After(time.Second / 2)
			began := time.Now()
			tr.Stop()
			require.Equal(t, 1500*time.Millisecond, time.Since(began))
			require.Len(t, s.told(), 1)
			st := tr.Stats()
			require.Zero(t, st.Errors)
			require.Zero(t, st.InHand)
		})
	})
	t.Run("hangs up after the grace", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newShop()
			var entered atomic.Int64
			stuck(s, &entered)
			tr, err := Start(s.options(10))
			require.NoError(t, err)
			<-time.After(time.Second)
			began, had := time.Now(), entered.Load()
			tr.Stop()
			require.Equal(t, stopGrace, time.Since(began))
			require.Equal(t, had, entered.Load(), "no order comes after Stop")
			require.Zero(t, tr.Stats().Errors, "who was hung up on did nothing wrong")
		})
	})
	t.Run("sends those who wait home at once", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newShop()
			s.never = true
			tr, err := Start(s.options(20))
			require.NoError(t, err)
			<-time.After(5 * time.Second)
			require.Positive(t, tr.Stats().InHand)
			began := time.Now()
			tr.Stop()
			require.Zero(t, time.Since(began))
		})
	})
	t.Run("may be called again, and by many", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			tr, err := Start(newShop().options(100))
			require.NoError(t, err)
			var all sync.WaitGroup
			for range 5 {
				all.Go(tr.Stop)
			}
			all.Wait()
			tr.Stop()
		})
	})
}

func TestErrorsDoNotFloodTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, lines := observer.New(zap.WarnLevel)
		s := newShop()
		s.before = func(w http.ResponseWriter, _ *http.Request) bool { refuse(w, 500, api.Internal); return true }
		o := s.options(100)
		o.Log = zap.New(core)
		tr, err := Start(o)
		require.NoError(t, err)
		<-time.After(10*time.Second - time.Millisecond)
		tr.Stop()
		require.Equal(t, int64(1000), tr.Stats().Errors)
		require.Equal(t, 10, lines.Len())
	})
}

func TestTheSeedIsInTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, lines := observer.New(zap.InfoLevel)
		o := newShop().options(1)
		o.Seed, o.Log = 0, zap.New(core)
		tr, err := Start(o)
		require.NoError(t, err)
		tr.Stop()
		require.NotZero(t, lines.All()[0].ContextMap()["seed"])
	})
}

func TestStartRefusesWhatCannotFlow(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*Options){
		"no API":            func(o *Options) { o.API = "" },
		"an API of no kind": func(o *Options) { o.API = "127.0.0.1:8080" },
		"no rate":           func(o *Options) { o.Rate = 0 },
		"a negative rate":   func(o *Options) { o.Rate = -1 },
		"no number":         func(o *Options) { o.Rate = math.NaN() },
		"too much":          func(o *Options) { o.Rate = 10_001 },
		"no merchant":       func(o *Options) { o.MerchantID = "" },
		"no slow merchant":  func(o *Options) { o.SlowMerchantID = "" },
		"no operator":       func(o *Options) { o.OperatorKey = "" },
		"no SKU":            func(o *Options) { o.SKU = "" },
		"no room":           func(o *Options) { o.InHand = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newShop().options(1)
			spoil(&o)
			_, err := Start(o)
			require.ErrorContains(t, err, "start the traffic: ")
		})
	}
}
