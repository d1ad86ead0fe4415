package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// entered is a book with one paid order, "1", as it should be.
func entered() (*book, *life) {
	b := newBook()
	now := time.Now()
	l := &life{receipt: receipt{order: "1", payment: "p1"}, due: now, made: now}
	b.keep(l)
	b.call(l, now)
	b.acknowledge(l, now)
	b.tell("1", "n1", now)
	return b, l
}

func TestTheBookFindsWhatTheWorldSaw(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		happens func(b *book)
		finding string
	}{
		"nothing else":     {func(*book) {}, ""},
		"a second notice":  {func(b *book) { b.tell("1", "n1", time.Now()) }, "accepted its notice 2 times"},
		"another id":       {func(b *book) { b.tell("1", "n2", time.Now()) }, "under two ids"},
		"a stranger":       {func(b *book) { b.tell("2", "n3", time.Now()) }, "no such order was acknowledged"},
		"a refused notice": {func(b *book) { b.refuse("wrong signature") }, "wrong signature"},
		"an unpaid one":    {func(b *book) { b.keep(&life{receipt: receipt{order: "3"}, unpaid: true}) }, ""},
		"an unpaid one told": {func(b *book) {
			b.keep(&life{receipt: receipt{order: "3"}, unpaid: true})
			b.tell("3", "n3", time.Now())
		}, "told that it is paid, and it is not"},
		"one never told": {func(b *book) {
			l := &life{receipt: receipt{order: "4"}}
			b.keep(l)
			b.acknowledge(l, time.Now())
		}, "never told"},
		"a callback refused": {func(b *book) {
			l := &life{receipt: receipt{order: "5"}}
			b.keep(l)
			b.call(l, time.Now())
			b.fail("callback", 503)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, _ := entered()
			c.happens(b)
			found := strings.Join(b.findings(), "\n")
			if c.finding == "" {
				require.Empty(t, found)
			} else {
				require.Contains(t, found, c.finding)
			}
		})
	}
}

func TestABuyerLearnsOfTheNotice(t *testing.T) {
	t.Parallel()
	b, l := entered()
	<-l.arrived
	orders, through, wrong := b.tally()
	require.Equal(t, 1, orders)
	require.EqualValues(t, 1, through)
	require.Zero(t, wrong)
	require.True(t, b.knowsAll())
	b.fail("callback", 503)
	require.True(t, b.knowsAll())
	b.fail("order", 503)
	b.fail("order", 0)
	require.False(t, b.knowsAll(), "either may have been made")
	_, _, wrong = b.tally()
	require.EqualValues(t, 3, wrong)
	require.Equal(t, map[string]int64{"callback 503": 1, "order 503": 1, "order failed": 1}, b.errors)
}

func TestReportsFindTheirWayIntoTheBook(t *testing.T) {
	t.Parallel()
	b := newBook()
	l := &life{receipt: receipt{order: "7"}}
	b.keep(l)
	file(strings.NewReader("told 7 n7 1700000000000000001\nrefused it is of no use\ntold 7\ntold 7 n7 soon\nnonsense\n"), b)
	require.Equal(t, time.Unix(0, 1700000000000000001), l.told)
	require.Equal(t, "n7", l.notice)
	require.Equal(t, []string{"it is of no use", `report "told 7"`, `report "told 7 n7 soon": strconv.ParseInt: parsing "soon": invalid syntax`, `report "nonsense"`}, b.refused)
}
