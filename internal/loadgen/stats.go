package loadgen

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// kept is how many latencies the percentiles are of.
const kept = 4096

// warnEvery spaces the log lines about errors: a broken API fails every order.
const warnEvery = time.Second

// Stats is what traffic came to, at one moment.
type Stats struct {
	Rate       float64          // orders a second, as asked for
	Orders     int64            // made
	Ended      map[string]int64 // scripts that are through their steps, by name
	InHand     int              // orders whose script is not through
	Skipped    int64            // not begun: too many in hand, or the machine too slow
	OutOfStock int64            // not made
	TurnedAway int64            // not made: the API was overloaded and said so
	GaveUp     int64            // left in the middle of their script: the order did not change in time
	Errors     int64            // the API or the pay page did not answer as it should
	P50, P99   time.Duration    // of the last 4096 orders' intake; 0 before the first
}

// String is a line on how the traffic flows and, for a person at night, one for
// each sort of ending. What has not happened is left out, but for the errors.
func (s Stats) String() string {
	parts := []string{plural(s.Orders, "order")}
	for _, c := range []struct {
		n  int64
		as string
	}{
		{int64(s.InHand), "in hand"},
		{s.OutOfStock, "out of stock"},
		{s.TurnedAway, "turned away"},
		{s.GaveUp, "given up"},
		{s.Skipped, "skipped"},
	} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.as))
		}
	}
	parts = append(parts, plural(s.Errors, "error"))
	text := fmt.Sprintf("traffic %g/s: %s", s.Rate, strings.Join(parts, ", "))
	if s.Orders > 0 {
		text += fmt.Sprintf("; intake p50 %s p99 %s", millis(s.P50), millis(s.P99))
	}
	for _, of := range sorts() {
		if parts := s.endings(of); len(parts) > 0 {
			text += fmt.Sprintf("\n  %-10s  %s", of, strings.Join(parts, ", "))
		}
	}
	return text
}

// endings counts the scripts of a sort as a person reads them, in the table's
// order.
func (s Stats) endings(of sort) (parts []string) {
	var order []string
	sum := map[string]int64{}
	for _, sc := range scripts() {
		if sc.sort != of {
			continue
		}
		if !slices.Contains(order, sc.as) {
			order = append(order, sc.as)
		}
		sum[sc.as] += s.Ended[sc.name]
	}
	for _, as := range order {
		if sum[as] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", sum[as], as))
		}
	}
	return parts
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// millis shows tenths only where they matter.
func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms < 9.95 {
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}

// counts is what Stats is taken from. The zero value is ready.
type counts struct {
	mu     sync.Mutex
	s      Stats
	intake []time.Duration // a ring, once it is full
	next   int
	warned time.Time
}

func (c *counts) change(f func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.s)
}

func (c *counts) skip(n int64) { c.change(func(s *Stats) { s.Skipped += n }) }
func (c *counts) outOfStock()  { c.change(func(s *Stats) { s.OutOfStock++ }) }
func (c *counts) turnAway()    { c.change(func(s *Stats) { s.TurnedAway++ }) }
func (c *counts) giveUp()      { c.change(func(s *Stats) { s.GaveUp++ }) }

func (c *counts) end(script string) {
	c.change(func(s *Stats) {
		if s.Ended == nil {
			s.Ended = map[string]int64{}
		}
		s.Ended[script]++
	})
}

// took counts an order that was made and how long that took.
func (c *counts) took(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Orders++
	if len(c.intake) < kept {
		c.intake = append(c.intake, d)
		return
	}
	c.intake[c.next] = d
	c.next = (c.next + 1) % kept
}

// fail counts an error and says whether it is time for a line about it.
func (c *counts) fail(now time.Time) (say bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Errors++
	if now.Sub(c.warned) < warnEvery {
		return false
	}
	c.warned = now
	return true
}

// stats is a copy that shares nothing.
func (c *counts) stats() Stats {
	c.mu.Lock()
	s, last := c.s, slices.Clone(c.intake)
	s.Ended = maps.Clone(c.s.Ended)
	c.mu.Unlock()
	slices.Sort(last)
	s.P50, s.P99 = quantile(last, 0.50), quantile(last, 0.99)
	return s
}

// quantile is the smallest of sorted that at least the share q does not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(int(math.Ceil(q*float64(len(sorted)))), 1)-1]
}
