package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func probe(t *testing.T, h http.Handler) (int, report, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	var r report
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &r))
	return w.Code, r, w.Body.String()
}

func failing(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

func TestReady(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	secret := errors.New("connect postgres://app:hunter2@db.internal:5432/orders: no pg_hba.conf entry")
	for _, c := range []struct {
		name  string
		check Check
		code  int
		want  finding
	}{
		{"passes", Check{Name: "redis", Do: failing(nil), Advice: "start it"}, 200, finding{Name: "redis", OK: true}},
		{"fails", Check{Name: "migrations", Do: failing(errors.New("3 of 5")), Advice: "run orderflow migrate"}, 503, finding{Name: "migrations", Failure: "failed", Do: "run orderflow migrate"}},
		{"cannot be reached", Check{Name: "redis", Do: failing(fmt.Errorf("ping: %w", refused))}, 503, finding{Name: "redis", Failure: "unreachable"}},
		{"has no name", Check{Name: "redis", Do: failing(&net.DNSError{Err: "no such host", Name: "db.internal"})}, 503, finding{Name: "redis", Failure: "unreachable"}},
		{"is slow to answer", Check{Name: "redis", Do: failing(&net.DNSError{Name: "db.internal", IsTimeout: true})}, 503, finding{Name: "redis", Failure: "timeout"}},
		{"tells a secret", Check{Name: "postgresql", Do: failing(secret)}, 503, finding{Name: "postgresql", Failure: "failed"}},
		{"is spare", Check{Name: "redis", Spare: true, Do: failing(refused)}, 200, finding{Name: "redis", Failure: "unreachable"}},
		{"panics", Check{Name: "redis", Do: func(context.Context) error { panic("at db.internal") }}, 503, finding{Name: "redis", Failure: "failed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := NewHealth(nil, Check{Name: "first", Do: failing(nil)}, c.check)
			code, got, body := probe(t, h.Ready())
			require.Equal(t, c.code, code)
			want := map[int]string{200: "ready", 503: "not ready"}[code]
			if code == 200 && !c.want.OK {
				want = "degraded"
			}
			require.Equal(t, want, got.Status)
			require.Equal(t, "first", got.Checks[0].Name)
			require.True(t, got.Checks[0].OK)
			got.Checks[1].Millis = 0
			require.Equal(t, c.want, got.Checks[1])
			require.NotContains(t, body, "hunter2")
			require.NotContains(t, body, "internal")
		})
	}
}

func TestReadyRunsChecksBesideEachOtherAndGivesUpAfterTwoSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		h := NewHealth(nil, Check{Name: "a", Do: hangs}, Check{Name: "b", Do: hangs}, Check{Name: "c", Do: failing(nil)})
		start := time.Now()
		code, got, _ := probe(t, h.Ready())
		require.Equal(t, 503, code)
		require.Equal(t, 2*time.Second, time.Since(start))
		require.Equal(t, finding{Name: "a", Millis: 2000, Failure: "timeout"}, got.Checks[0])
		require.Equal(t, finding{Name: "b", Millis: 2000, Failure: "timeout"}, got.Checks[1])
		require.True(t, got.Checks[2].OK)
		h.Stop()
	})
}

func TestReadyAsksOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		h := NewHealth(nil, Check{Name: "a", Do: func(context.Context) error { asked++; return nil }})
		for range 100 {
			probe(t, h.Ready())
		}
		require.Equal(t, 1, asked)
		time.Sleep(checkFresh)
		probe(t, h.Ready())
		require.Equal(t, 2, asked)
	})
}

func TestLiveAsksNothing(t *testing.T) {
	t.Parallel()
	h := NewHealth(nil, Check{Name: "a", Do: func(context.Context) error { t.Error("asked"); return nil }})
	code, _, body := probe(t, h.Live())
	require.Equal(t, 200, code)
	require.JSONEq(t, `{"status":"ok"}`, body)
}

func TestStoppingIsAliveAndNotReady(t *testing.T) {
	t.Parallel()
	h := NewHealth(nil, Check{Name: "a", Do: failing(nil)})
	h.Stop()
	h.Stop()
	code, got, _ := probe(t, h.Ready())
	require.Equal(t, 503, code)
	require.Equal(t, "stopping", got.Checks[0].Failure)
	code, _, _ = probe(t, h.Live())
	require.Equal(t, 200, code)
}

func TestWhatIsAwayIsLoggedThoughNobodyProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, logged := observer.New(zapcore.DebugLevel)
		var down atomic.Bool
		h := NewHealth(zap.New(core), Check{Name: "redis", Advice: "Is it up?", Do: func(context.Context) error {
			if down.Load() {
				return errors.New("connection refused")
			}
			return nil
		}})
		h.Watch(5 * time.Second)
		for _, away := range []bool{false, true, true, false} {
			down.Store(away)
			time.Sleep(5 * time.Second)
			synctest.Wait()
		}
		h.Stop()
		said := logged.All()
		require.Len(t, said, 2)
		require.Equal(t, "cannot read a dependency", said[0].Message)
		require.Equal(t, "Is it up?", said[0].ContextMap()["do"])
		require.Equal(t, "a dependency can be read again", said[1].Message)
	})
}

func TestTroublesAreLoggedOnceWithoutSecrets(t *testing.T) {
	t.Parallel()
	core, logged := observer.New(zapcore.DebugLevel)
	log := newTroubles(zap.New(core))
	down := errors.New("dial redis://:hunter2@cache:6379: refused")
	for _, err := range []error{nil, down, down, nil, nil, down} {
		log.note("redis", err)
	}
	log.note("postgresql", nil)
	var lines []string
	for _, e := range logged.All() {
		require.Equal(t, "redis", e.ContextMap()["dependency"])
		require.NotContains(t, fmt.Sprint(e.ContextMap()), "hunter2")
		lines = append(lines, e.Message)
	}
	require.Equal(t, []string{"cannot read a dependency", "a dependency can be read again", "cannot read a dependency"}, lines)
}

func TestScrub(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"dial postgres://app:p@ss:w@db:5432/x?sslmode=off failed": "dial postgres://***@db:5432/x?sslmode=off failed",
		"rediss://:pw@cache":                         "rediss://***@cache",
		"http://host/a@b":                            "http://host/a@b",
		"host=db user=app password=pw dbname=x":      "host=db user=app password=*** dbname=x",
		"host=db password='p w' dbname=x":            "host=db password=*** dbname=x",
		"postgres://db/x?password=pw&user=app":       "postgres://db/x?password=***&user=app",
		"failed to connect to `user=app database=x`": "failed to connect to `user=app database=x`",
	} {
		require.Equal(t, want, scrub(in))
	}
}
