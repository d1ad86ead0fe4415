package merchant

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func status(code int, after time.Duration) Attempt {
	return Attempt{HTTPStatus: code, OK: code/100 == 2, Gone: code == 410, RetryAfter: after, Error: failureOf(code)}
}

func failureOf(code int) string {
	if code/100 == 2 {
		return ""
	}
	return "status: it answered " + strconv.Itoa(code)
}

func took(a Attempt, d time.Duration) Attempt {
	a.Duration = d
	return a
}

func TestWindow(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		before Window
		seen   Attempt
		after  int
	}{
		"nothing is known":        {0, status(500, 0), 2},
		"a quick success":         {0, status(204, 0), 3},
		"another":                 {3, status(204, 0), 4},
		"it has an end":           {MaxWindow, status(204, 0), MaxWindow},
		"just in time":            {8, took(status(204, 0), SlowAfter-1), 9},
		"a slow success":          {8, took(status(204, 0), SlowAfter), 1},
		"a slow failure":          {8, took(status(500, 0), SlowAfter), 1},
		"429":                     {8, status(429, time.Minute), 4},
		"502":                     {8, status(502, 0), 4},
		"504":                     {1, status(504, 0), 1},
		"503":                     {8, status(503, 0), 8},
		"cut short by us":         {8, took(Attempt{Error: "stopped: we stopped"}, time.Minute), 8},
		"we have no secret of it": {8, Attempt{Error: "secret: none signs"}, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.after, tc.before.After(tc.seen).Size())
		})
	}
}

func TestAWindowWithinAnother(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		window Window
		most   int
		size   int
	}{{0, UsualWindow, 2}, {0, 1, 1}, {1, 1, 1}, {MaxWindow, UsualWindow, UsualWindow}, {UsualWindow, MaxWindow, UsualWindow}} {
		require.Equal(t, tc.size, tc.window.Within(tc.most).Size())
		n, _ := Health{Window: tc.window}.Within(tc.most).Admits(0, noon)
		require.Equal(t, tc.size, n)
	}
}

func TestAWindowIsNeverShutNorWide(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var w Window
		for range rapid.IntRange(0, 60).Draw(t, "attempts") {
			code := rapid.SampledFrom([]int{200, 200, 200, 410, 429, 500, 502, 504}).Draw(t, "status")
			before := w.Size()
			w = w.After(took(status(code, 0), rapid.SampledFrom([]time.Duration{0, SlowAfter}).Draw(t, "took")))
			if w.Size() < 1 || w.Size() > MaxWindow || w.Size() > before+1 {
				t.Fatalf("from %d to %d", before, w.Size())
			}
		}
	})
}
