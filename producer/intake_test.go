package producer_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/internal/once"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer"
	"github.com/orderflow/orderflow/producer/api"
	"github.com/orderflow/orderflow/producer/intake"
)

// full is an intake that has no room.
type full struct{ asked int }

func (f *full) Refuse() (time.Duration, bool) {
	f.asked++
	return 2500 * time.Millisecond, true
}

func TestWhereThereIsNoRoomOnlyNewOrdersAreRefused(t *testing.T) {
	t.Parallel()
	for _, r := range producer.Routes() {
		t.Run(r.ID, func(t *testing.T) {
			t.Parallel()
			f := &full{}
			d := newDoor(t, func(o *producer.Options) { o.Intake = f })
			key, path := "", "/v1/channels/sandbox/callbacks"
			if len(r.Roles) > 0 {
				key, path = string(r.Roles[0]), r.Path
			}
			a := d.call(key, r.Method, path, bodyOf(r))
			if r.ID != "create-order" {
				require.NotEqual(t, 503, a.Code, a.Body.String())
				require.Zero(t, f.asked)
				return
			}
			a.problem(api.Overloaded)
			require.Equal(t, "3", a.Header().Get("Retry-After"))
		})
	}
}

// A refusal costs the key's check and no more: nothing is read, and nobody
// without a key learns of it.
func TestARefusalReadsNothing(t *testing.T) {
	t.Parallel()
	f := &full{}
	d := newDoor(t, func(o *producer.Options) { o.Intake = f })
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/orders", iotest.ErrReader(errors.New("it was read")))
	r.Header.Set("Authorization", "Bearer app")
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	answer{w, t}.problem(api.Overloaded)

	named := d.call("app", "POST", "/v1/orders", draft, "X-Request-Id", "abc-1")
	named.problem(api.Overloaded)
	require.Equal(t, "abc-1", named.Header().Get("X-Request-Id"))
	strange := d.call("app", "POST", "/v1/orders", draft, "X-Request-Id", `a"b`)
	strange.problem(api.Overloaded)
	require.NotContains(t, strange.Body.String(), `a\"b`)

	d.call("", "POST", "/v1/orders", draft).problem(api.Unauthenticated)
	d.call("merchant", "POST", "/v1/orders", draft).problem(api.Forbidden)
	require.Equal(t, 3, f.asked)

	require.Len(t, d.logs.FilterMessage("request").All(), 2, "a thousand refusals are not a thousand lines")
}

// slowed is a store whose commits hang while it is held.
type slowed struct {
	*memory
	held  chan struct{}             // closed: it goes on
	since atomic.Pointer[time.Time] // when the oldest that waits began; nil: nobody
}

func (s *slowed) Create(ctx context.Context, o *order.Order, r *once.Request) error {
	now := time.Now()
	s.since.CompareAndSwap(nil, &now)
	<-s.held
	return s.memory.Create(ctx, o, r)
}

func (s *slowed) wait() time.Duration {
	select {
	case <-s.held:
		return 0
	default:
	}
	if since := s.since.Load(); since != nil {
		return time.Since(*since)
	}
	return 0
}

// The store hangs: orders are refused long before anybody's time is over, all
// else goes on, and when the store is itself again everybody is let in.
func TestAStoreThatHangsIsNotQueuedUpFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slowed{memory: newMemory(), held: make(chan struct{})}
		l := intake.Start(intake.Options{
			Wait: s.wait, Look: func(context.Context) (intake.Work, error) { return intake.Work{}, nil },
			Within: 200 * time.Millisecond, Behind: time.Second, Log: zap.NewNop(),
		})
		defer l.Stop()
		d := newDoor(t, func(o *producer.Options) { o.Store, o.Intake = s, l })
		answers, refused := make(chan answer, 1000), 0
		post := func() { answers <- d.call("app", "POST", "/v1/orders", draft) }
		for range 1000 { // a hundred a second
			go post()
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
			for len(answers) > 0 {
				a := <-answers
				a.problem(api.Overloaded)
				refused++
			}
		}
		let := 1000 - refused
		require.Less(t, let, 60, "those of the first moments, who wait")
		paid := d.call("", "POST", callbacks, `{"id":"e1","no":"01939b1c5f4a7c3e9a00c0ffee00ab01"}`, "Signature", "good")
		require.Equal(t, "success", paid.Body.String())

		close(s.held)
		synctest.Wait()
		for range let {
			require.Equal(t, 201, (<-answers).Code)
		}
		for range 100 {
			require.Equal(t, 201, d.call("app", "POST", "/v1/orders", draft).Code)
		}
	})
}
