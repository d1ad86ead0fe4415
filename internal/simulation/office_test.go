package simulation

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orderflow/orderflow/producer/api"
)

// office is the part of a shop that does not wait to be told: it fetches what its
// desks should hear, and asks for some of it once more.
type office struct {
	*shop
	dice dice
	api  *api.Client
}

// resend is what the office asks for once more.
type resend struct {
	notice string
	desk   int       // -1: all that subscribe
	at     time.Time // when it was asked for, at first
	done   time.Time // and answered, or given up
	sure   bool      // we said that it is done
}

// chores are what offices do in a round.
var chores = []way[func(*office)]{
	{4, "fetches", (*office).fetch},
	{4, "asks for something once more", (*office).again},
	{2, "has nothing to do", func(*office) {}},
}

// officeHours are kept while there is bustle.
func (s *shop) officeHours() {
	o := &office{s, diceOf(s.seed, fmt.Sprintf("office/%s/%d", s.id, s.first)), s.caller(s.id)}
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for time.Since(s.began) < bustle {
		select {
		case <-s.over:
			return
		case <-tick.C:
		}
		pick(o.dice, chores).do(o)
	}
}

// fetch reads what one desk has yet to acknowledge, and acknowledges some of it.
func (o *office) fetch() {
	n := o.dice.IntN(len(o.desks))
	page, err := o.api.Undelivered(o.ctx, o.id, o.ends[n].String(), 1+o.dice.IntN(20), "")
	if err != nil {
		return
	}
	desk, takes := deskOf(n), o.dice.chance(0.8)
	taken := map[heard]*history{}
	var ids []string
	for _, u := range page.Notices {
		if takes && o.dice.chance(0.7) {
			ids = append(ids, u.ID)
		}
		if h := o.read(desk, u, slices.Contains(ids, u.ID)); h != nil && slices.Contains(ids, u.ID) {
			taken[heard{desk, u.ID}] = h
		}
	}
	if len(ids) == 0 || o.until(func() error { _, err := o.api.AckUndelivered(o.ctx, o.id, o.ends[n].String(), ids...); return err }) != nil {
		return
	}
	for at, h := range taken {
		h.note("notice %s of %s is acknowledged", at.id, desk)
		h.mu.Lock()
		h.acked[at] = time.Now()
		h.mu.Unlock()
	}
}

// acknowledge has a notice acknowledged that is just being told.
func (h *history) acknowledge(at heard) {
	n, err := strconv.Atoi(strings.TrimPrefix(at.desk, "/"))
	if err == nil {
		_, err = h.clerk.AckUndelivered(h.ctx, h.shop.id, h.shop.ends[n].String(), at.id)
	}
	h.note("notice %s of %s is acknowledged meanwhile: %s", at.id, at.desk, result(err))
	if err == nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.acked[at] = time.Now()
	}
}

// read is the office's part in telling a notice: what it reads it acts upon, and
// what it means to acknowledge it has.
func (o *office) read(desk string, u api.Undelivered, takes bool) *history {
	var n notice
	if err := json.Unmarshal(u.Body, &n); err == nil && strings.HasPrefix(n.Type, "endpoint.") {
		return nil
	}
	h := o.find(n.Data.Order.No)
	if h == nil || n.Type != u.Type {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.unknown = append(o.unknown, string(u.Body))
		return nil
	}
	h.note("%s: the merchant fetches it, %s", n.Type, u.Reason)
	h.check(n, u.ID, string(u.Body))
	h.mu.Lock()
	at := heard{desk, u.ID}
	h.heard[at] = h.heard[at] || takes
	h.mu.Unlock()
	h.hear(n.Type)
	return h
}

// again has any one notice of which the shop has heard told once more.
func (o *office) again() {
	type known struct {
		*history
		id string
	}
	var list []known
	for _, h := range o.clients() {
		h.mu.Lock()
		for _, id := range slices.Sorted(maps.Keys(h.notices)) {
			list = append(list, known{h, id})
		}
		h.mu.Unlock()
	}
	if len(list) == 0 {
		return
	}
	one := list[o.dice.IntN(len(list))]
	r := resend{notice: one.id, desk: -1, at: time.Now()}
	to := ""
	if o.dice.chance(0.5) {
		r.desk = o.dice.IntN(len(o.desks))
		to = o.ends[r.desk].String()
	}
	err := o.until(func() error { _, err := o.api.ResendNotice(o.ctx, one.id, to); return err })
	r.sure, r.done = err == nil, time.Now()
	one.note("notice %s is to be told once more: %s", one.id, result(err))
	o.mu.Lock()
	defer o.mu.Unlock()
	o.resends = append(o.resends, r)
}

// clients are the shop's histories, in their order.
func (s *shop) clients() []*history {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Collect(maps.Values(s.orders))
	slices.SortFunc(list, func(x, y *history) int { return x.number - y.number })
	return list
}

// until makes a call until it is answered for good, some times.
func (o *office) until(call func() error) (err error) {
	for range 20 {
		err = call()
		var p *api.Problem
		if err == nil || errors.As(err, &p) && p.Status < http.StatusInternalServerError {
			return err
		}
		pause(time.Second)
	}
	return err
}
