package bench

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// life is one order that was acknowledged, as the world outside saw it.
type life struct {
	receipt
	unpaid bool // nobody pays it
	hangs  bool // its merchant's endpoint hangs: when that hears of it is left open, and an answer that came too late is no answer
	due    time.Time
	sent   time.Time // when it was asked for: a busy load generator is late itself
	made   time.Time // when it was acknowledged
	called time.Time // when its callback was sent; zero: it was not
	acked  time.Time // when that was acknowledged; zero: it was not
	told   time.Time // when its notice came to the merchant; zero: it did not
	notice string    // under which id
	times  int       // how often the merchant answered 200

	arrived chan struct{} // closed with told
}

// refusal is an order that was asked for and not made: there was no room.
type refusal struct{ due, sent, answered time.Time }

// The steps that can fail.
const (
	askedFor = "order"
	calledIn = "callback"
	toldOf   = "notice"
)

// book is what was acknowledged, and what went wrong. It is what the database
// is held against.
type book struct {
	mu        sync.Mutex
	lives     map[string]*life
	errors    map[string]int64 // by step and status: "order 503"
	strangers []string         // notices of orders that are not in the book
	renamed   []string         // orders with notices of two ids
	refused   []string         // notices that the merchant could not accept
	missed    int64            // orders that were due and not begun
	away      []refusal        // orders that there was no room for
	completed int64            // lives that are through
}

func newBook() *book {
	return &book{lives: map[string]*life{}, errors: map[string]int64{}}
}

// keep writes an acknowledged order down.
func (b *book) keep(l *life) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.arrived = make(chan struct{})
	b.lives[l.order] = l
	if l.unpaid {
		b.completed++
	}
}

// call notes that an order's callback is on its way, and acknowledge that it
// was taken.
func (b *book) call(l *life, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.called = now
}

func (b *book) acknowledge(l *life, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.acked = now
}

// tell notes that the merchant has accepted a notice.
func (b *book) tell(order, notice string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.lives[order]
	if l == nil {
		b.strangers = append(b.strangers, "notice "+notice+" of order "+order)
		return
	}
	l.times++
	if l.times > 1 {
		if l.notice != notice {
			b.renamed = append(b.renamed, order)
		}
		return
	}
	l.told, l.notice = at, notice
	b.completed++
	close(l.arrived)
}

func (b *book) refuse(why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused = append(b.refused, why)
}

// fail counts a step that was not acknowledged. It may have happened
// nevertheless.
func (b *book) fail(step string, status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	what := step + " failed"
	if status != 0 {
		what = step + " " + strconv.Itoa(status)
	}
	b.errors[what]++
}

// knowsAll says that every order that there can be is in the book: no answer to
// one was lost.
func (b *book) knowsAll() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for what := range b.errors {
		if strings.HasPrefix(what, askedFor) {
			return false
		}
	}
	return true
}

// turnAway notes an order that there was no room for. It is no failure: the
// answer is certain.
func (b *book) turnAway(l *life) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = append(b.away, refusal{l.due, l.sent, time.Now()})
}

// turned are the orders that there was no room for.
func (b *book) turned() []refusal {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.away)
}

// toldWithin says whether a life was through within a stage.
func (b *book) toldWithin(l *life, s *stage) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return s.holds(l.told)
}

// notBegun is how many orders were due and not begun.
func (b *book) notBegun() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.missed
}

func (b *book) miss(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.missed += n
}

// tally is how many orders are in the book, how many lives are through, and how
// many steps went wrong.
func (b *book) tally() (orders int, completed, wrong int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.errors {
		wrong += n
	}
	return len(b.lives), b.completed, wrong
}

// all are the orders in the book, oldest first. It is read when nothing is
// written any more.
func (b *book) all() []*life {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]*life, 0, len(b.lives))
	for _, l := range b.lives {
		list = append(list, l)
	}
	slices.SortFunc(list, func(x, y *life) int { return x.made.Compare(y.made) })
	return list
}

// findings are what the book alone shows to be wrong.
func (b *book) findings() (list []string) {
	for _, l := range b.all() {
		switch {
		case l.times > 1 && !l.hangs:
			list = append(list, "order "+l.order+": the merchant accepted its notice "+strconv.Itoa(l.times)+" times")
		case l.unpaid && l.times > 0:
			list = append(list, "order "+l.order+": its merchant was told that it is paid, and it is not")
		case !l.acked.IsZero() && l.times == 0 && !l.hangs:
			list = append(list, "order "+l.order+": its callback was acknowledged and its merchant was never told")
		}
	}
	for _, order := range b.renamed {
		list = append(list, "order "+order+": its notice came under two ids")
	}
	for _, s := range b.strangers {
		list = append(list, s+": no such order was acknowledged")
	}
	for _, why := range b.refused {
		list = append(list, "the merchant refused a notice: "+why)
	}
	return list
}
