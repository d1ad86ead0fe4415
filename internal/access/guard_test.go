package access_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/orderflow/orderflow/internal/access"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ring is a store of keys that counts its questions, and fails while down.
type ring struct {
	mu    sync.Mutex
	keys  map[[32]byte]access.Principal
	asked int
	down  error
	gate  chan struct{} // when set, answers wait until it is closed
}

func (r *ring) Principal(ctx context.Context, hash [32]byte) (access.Principal, error) {
	r.mu.Lock()
	r.asked++
	p, ok := r.keys[hash]
	err := r.down
	r.mu.Unlock()
	if r.gate != nil {
		select {
		case <-r.gate:
		case <-ctx.Done():
			return access.Principal{}, ctx.Err()
		}
	}
	switch {
	case err != nil:
		return access.Principal{}, err
	case !ok:
		return access.Principal{}, access.ErrUnknownKey
	}
	return p, nil
}

func (r *ring) put(key string, p access.Principal) { r.set(func() { r.keys[access.Hash(key)] = p }) }

func (r *ring) revoke(key string) { r.set(func() { delete(r.keys, access.Hash(key)) }) }
func (r *ring) fail(err error)    { r.set(func() { r.down = err }) }
func (r *ring) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *ring) questions() (n int) {
	r.set(func() { n = r.asked })
	return n
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func setUp() (*access.Guard, *ring, *clock) {
	r := &ring{keys: map[[32]byte]access.Principal{
		access.Hash("dev_app_key"):      checkout,
		access.Hash("dev_merchant_key"): demo,
		access.Hash("dev_operator_key"): alice,
	}}
	c := &clock{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	return access.NewGuard(r, access.Options{FixedKeys: true, Now: c.Now, Size: 8}), r, c
}

func request(key string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/console", nil)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	return r
}

func authenticate(t *testing.T, g *access.Guard, key string) (access.Principal, error) {
	t.Helper()
	return g.Authenticate(t.Context(), request(key))
}

func TestGuardRemembers(t *testing.T) {
	t.Parallel()

	t.Run("a known key for ten seconds, so a revoked one lives no longer", func(t *testing.T) {
		t.Parallel()
		g, keys, clock := setUp()
		p, err := authenticate(t, g, "dev_app_key")
		require.NoError(t, err)
		require.Equal(t, checkout, p)
		keys.revoke("dev_app_key")
		clock.pass(10*time.Second - 1)
		p, err = authenticate(t, g, "dev_app_key")
		require.NoError(t, err)
		require.Equal(t, checkout, p)
		require.Equal(t, 1, keys.questions())
		clock.pass(1)
		_, err = authenticate(t, g, "dev_app_key")
		require.ErrorIs(t, err, access.ErrUnknownKey)
		require.Equal(t, 2, keys.questions())
	})

	t.Run("an unknown key for two seconds, so a new one works soon", func(t *testing.T) {
		t.Parallel()
		g, keys, clock := setUp()
		for range 3 {
			_, err := authenticate(t, g, "new_key")
			require.ErrorIs(t, err, access.ErrUnknownKey)
		}
		require.Equal(t, 1, keys.questions())
		keys.put("new_key", alice)
		clock.pass(2 * time.Second)
		p, err := authenticate(t, g, "new_key")
		require.NoError(t, err)
		require.Equal(t, alice, p)
	})

	t.Run("trouble of the store's for no time at all", func(t *testing.T) {
		t.Parallel()
		g, keys, _ := setUp()
		broken := errors.New("connection refused")
		keys.fail(broken)
		_, err := authenticate(t, g, "dev_app_key")
		require.ErrorIs(t, err, broken)
		require.NotErrorIs(t, err, access.ErrUnknownKey)
		require.False(t, access.Refused(err))
		keys.fail(nil)
		_, err = authenticate(t, g, "dev_app_key")
		require.NoError(t, err)
	})

	t.Run("no more than its size, and wrong keys never push out a right one", func(t *testing.T) {
		t.Parallel()
		g, keys, _ := setUp()
		_, err := authenticate(t, g, "dev_app_key")
		require.NoError(t, err)
		for i := range 100 {
			_, err := authenticate(t, g, fmt.Sprintf("wrong_%d", i))
			require.ErrorIs(t, err, access.ErrUnknownKey)
		}
		_, err = authenticate(t, g, "dev_app_key")
		require.NoError(t, err)
		require.Equal(t, 101, keys.questions(), "the right key was asked for once")
		for i := range 100 {
			_, _ = authenticate(t, g, fmt.Sprintf("wrong_%d", i))
		}
		require.GreaterOrEqual(t, keys.questions(), 101+100-8, "at most eight were remembered")
	})
}

func TestADamagedKeyIsNotLookedUp(t *testing.T) {
	t.Parallel()
	g, keys, _ := setUp()
	key, hash := access.NewKey(access.Operator)
	keys.set(func() { keys.keys[hash] = alice })
	_, err := authenticate(t, g, key[:len(key)-1]+"_")
	require.ErrorIs(t, err, access.ErrDamaged)
	require.Zero(t, keys.questions())
	p, err := authenticate(t, g, key)
	require.NoError(t, err)
	require.Equal(t, alice, p)
}

func TestManyAskOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, keys, _ := setUp()
		keys.gate = make(chan struct{})

		// The first caller gives up; the question it began still answers the others.
		first, giveUp := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			_, err := g.Authenticate(first, request("dev_app_key"))
			left <- err
		}()
		synctest.Wait()
		giveUp()
		require.ErrorIs(t, <-left, context.Canceled)

		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				p, err := g.Authenticate(t.Context(), request("dev_app_key"))
				if err != nil || p != checkout {
					t.Errorf("got %v, %v", p, err)
				}
			})
		}
		synctest.Wait()
		close(keys.gate)
		wg.Wait()
		require.Equal(t, 1, keys.questions())
	})
}

func TestStrangersLeaveTheStoreRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, keys, _ := setUp()
		keys.gate = make(chan struct{})
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() { _, _ = g.Authenticate(t.Context(), request(fmt.Sprintf("wrong_%d", i))) })
		}
		synctest.Wait()
		require.Equal(t, 4, keys.questions(), "no fifth question before an answer")
		close(keys.gate)
		wg.Wait()
		require.Equal(t, 20, keys.questions())
	})
}

func TestAStoreThatHangsIsTroubleNotAWrongKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, keys, _ := setUp()
		keys.gate = make(chan struct{})
		_, err := authenticate(t, g, "dev_app_key") // the bubble's clock runs ahead to the limit
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.False(t, access.Refused(err))
	})
}

func TestRequire(t *testing.T) {
	t.Parallel()
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := access.FromContext(r.Context())
		fmt.Fprint(w, p.Actor(), " ", ok)
	})
	for _, c := range []struct {
		name   string
		header string
		down   error
		status int
		says   string
	}{
		{"an operator comes in", "Bearer dev_operator_key", nil, 200, ""},
		{"with Basic too", "Basic YWxpY2U6ZGV2X29wZXJhdG9yX2tleQ==", nil, 200, ""},
		{"no key", "", nil, 401, "no key was shown"},
		{"a wrong key", "Bearer dev_wrong_key", nil, 401, "ask an operator for a new one"},
		{"a damaged key", "Bearer ofk_app_x", nil, 401, "copy it again"},
		{"a malformed header", "Digest x", nil, 401, "send Bearer"},
		{"another role", "Bearer dev_merchant_key", nil, 403, "for the role operator or app; your key has the role merchant"},
		{"the store is away", "Bearer dev_operator_key", errors.New("away"), 503, "try again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, keys, _ := setUp()
			keys.fail(c.down)
			core, logs := observer.New(zap.DebugLevel)
			guard := access.NewGuard(keys, access.Options{FixedKeys: true, Log: zap.New(core)})
			r, w := request(""), httptest.NewRecorder()
			if c.header != "" {
				r.Header.Set("Authorization", c.header)
			}
			guard.Require(page, access.Operator, access.App).ServeHTTP(w, r)

			require.Equal(t, c.status, w.Code)
			if c.status == 200 {
				require.Equal(t, "operator:alice true", w.Body.String())
				return
			}
			require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			var problem struct {
				Type, Title, Detail string
				Status              int
			}
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &problem))
			require.Equal(t, c.status, problem.Status)
			require.Regexp(t, "^urn:orderflow:problem:[a-z]+$", problem.Type)
			require.Contains(t, problem.Detail, c.says)
			require.NotContains(t, w.Body.String(), "dev_", "an answer never repeats a key")
			require.Equal(t, c.status == 401, w.Header().Get("WWW-Authenticate") == `Basic realm="Orderflow", charset="UTF-8"`)
			require.Equal(t, c.status == 503, w.Header().Get("Retry-After") != "")
			require.Equal(t, c.status == 503, logs.Len() == 1, "only what the caller cannot mend is logged")
		})
	}
}

func TestRequireWithoutRolesLetsNobodyIn(t *testing.T) {
	t.Parallel()
	g, _, _ := setUp()
	w := httptest.NewRecorder()
	g.Require(http.NotFoundHandler()).ServeHTTP(w, request("dev_operator_key"))
	require.Equal(t, http.StatusForbidden, w.Code)
}

func TestAFixedKeyOpensNothingUnlessItIsLetIn(t *testing.T) {
	t.Parallel()
	everyone := &keysFunc{func([32]byte) (access.Principal, error) {
		return access.Principal{Name: "x", Role: access.Operator}, nil
	}}
	ask := func(g *access.Guard, key string) error {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+key)
		_, err := g.Authenticate(t.Context(), r)
		return err
	}
	made, _ := access.NewKey(access.Operator)
	require.ErrorIs(t, ask(access.NewGuard(everyone, access.Options{}), "dev_operator_key"), access.ErrUnknownKey)
	require.NoError(t, ask(access.NewGuard(everyone, access.Options{}), made))
	require.NoError(t, ask(access.NewGuard(everyone, access.Options{FixedKeys: true}), "dev_operator_key"))
}

type keysFunc struct {
	answer func([32]byte) (access.Principal, error)
}

func (k *keysFunc) Principal(_ context.Context, hash [32]byte) (access.Principal, error) {
	return k.answer(hash)
}
