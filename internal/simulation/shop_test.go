package simulation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

// skus is what every shop sells; of some it keeps stock here, and of one there
// is too little.
var skus = []struct {
	name   string
	onHand int64 // for a hundred histories; 0: no stock is kept
}{
	{"TEA", 100_000}, {"CUP", 40}, {"SONG", 0},
}

const shopsOfAWorld = 4

// desks are what the endpoints of each shop subscribe to.
var desks = [shopsOfAWorld][][]string{
	{nil}, // all
	{{"order.*"}},
	{{merchant.OrderPaid, merchant.RevokeRequested, "refund.*"}},
	{{merchant.OrderPaid, merchant.DeliveryOverdue, merchant.RevokeRequested}, {merchant.OrderClosed, merchant.OrderCompleted, "refund.*"}},
}

// shop is a merchant: endpoints for notices, and clerks who deliver.
type shop struct {
	*world
	id, host string
	secret   *standardwebhooks.Webhook // of all its endpoints
	desks    [][]string
	ends     []merchant.EndpointID // of the desks
	stock    map[string]int64      // what there was in the beginning

	mu      sync.Mutex
	orders  map[string]*history // by the app's own number
	unknown []string            // notices about nobody's order
	resends []resend            // that it has asked for
}

func (w *world) openShops() {
	for i := range shopsOfAWorld {
		s := &shop{world: w, id: fmt.Sprintf("m_%d", i+1), host: fmt.Sprintf("shop-%d.test", i+1), desks: desks[i], stock: map[string]int64{}, orders: map[string]*history{}}
		_, err := w.books.PutMerchant(w.ctx, merchant.Merchant{
			ID: s.id, Name: "Shop", FeeBps: 60 * i,
			DeliverWithin: time.Duration(20+10*i) * time.Minute, RevokeWithin: time.Duration(5+5*i) * time.Minute,
		})
		require.NoError(w, err)
		for _, sku := range skus {
			if sku.onHand == 0 {
				continue
			}
			s.stock[sku.name] = max(1, sku.onHand*int64(w.size)/100/shopsOfAWorld)
			_, err := w.books.SetStock(w.ctx, s.id, sku.name, s.stock[sku.name], order.System)
			require.NoError(w, err)
		}
		secret := merchant.NewSecret()
		s.secret, err = standardwebhooks.NewWebhook(secret)
		require.NoError(w, err)
		for n, events := range s.desks {
			s.ends = append(s.ends, ident.New[merchant.Endpoint]())
			require.NoError(w, w.books.CreateEndpoint(w.ctx, merchant.Endpoint{
				ID: s.ends[n], MerchantID: s.id, URL: fmt.Sprintf("https://%s/%d", s.host, n), Events: events, Secrets: []string{secret},
			}))
		}
		w.net.host(s.host, s)
		w.shops = append(w.shops, s)
	}
}

func (s *shop) expect(h *history) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders[h.wants.MerchantOrderNo] = h
}

// notice is what a shop reads of one.
type notice struct {
	Type string
	Data struct {
		Order struct {
			No     string `json:"merchant_order_no"`
			Amount int64
			Status order.Status
		}
		Endpoint struct{ URL string }
	}
}

// ServeHTTP takes notices, as each history's reception does.
func (s *shop) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	var n notice
	body, _ := io.ReadAll(r.Body)
	err := errors.Join(s.secret.Verify(body, r.Header), json.Unmarshal(body, &n))
	if err == nil && strings.HasPrefix(n.Type, "endpoint.") && n.Data.Endpoint.URL != "" { // what became of one of its own
		return
	}
	h := s.find(n.Data.Order.No)
	if err != nil || h == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.unknown = append(s.unknown, fmt.Sprintf("%s: %v", body, err))
		return
	}
	h.check(n, r.Header.Get("Webhook-Id"), string(body))
	h.answer(rw, r, n.Type)
}

// heard is a notice at one of a shop's desks.
type heard struct{ desk, id string }

// answered is how a shop answers one try of a notice.
type answered struct {
	name  string
	takes bool // it answers with success
	do    http.HandlerFunc
}

var welcome = answered{"takes it", true, func(http.ResponseWriter, *http.Request) {}}

const (
	isSlow  = "is slow"
	fetches = "fetches it meanwhile, and answers that it is out of order"
)

var receptions = []way[http.HandlerFunc]{
	{10, "is out of order", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusInternalServerError) }},
	{6, "hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
	{4, "hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	{4, "has moved", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Location", "https://elsewhere.test/")
		rw.WriteHeader(http.StatusFound)
	}},
	{4, "is busy", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Retry-After", "40")
		rw.WriteHeader(http.StatusTooManyRequests)
	}},
	{4, isSlow, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(8 * time.Second):
		case <-r.Context().Done():
		}
	}},
	{4, fetches, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusInternalServerError) }},
}

// reception is how a shop's endpoint behaves over one order: a few troubles,
// then all is well. A deaf one never gets as far as reading a notice in trouble.
type reception struct {
	mu       sync.Mutex
	troubles []answered
	deaf     bool
}

func newReception(d dice) *reception {
	r := &reception{deaf: d.chance(0.5)}
	if d.chance(0.6) {
		return r
	}
	for range 1 + d.IntN(5) {
		w := pick(d, receptions)
		r.troubles = append(r.troubles, answered{w.name, w.name == isSlow || w.name == fetches, w.do})
	}
	return r
}

func (r *reception) next() (a answered, heard bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.troubles) == 0 {
		return welcome, true
	}
	a = r.troubles[0]
	r.troubles = r.troubles[1:]
	return a, a.takes || !r.deaf
}

// clerk is how the merchant serves an order once it knows of it.
type clerk struct {
	*history
	dice dice
}

var serving = []way[func(*clerk)]{
	{40, "accepts and delivers", func(c *clerk) { c.accept(); c.deliver() }},
	{15, "delivers", (*clerk).deliver},
	{12, "cannot deliver", (*clerk).fail},
	{8, "accepts and cannot deliver", func(c *clerk) { c.accept(); c.fail() }},
	{5, "delivers and says that it cannot", func(c *clerk) { c.deliver(); c.fail() }},
	{5, "cannot and says that it delivered", func(c *clerk) { c.fail(); c.deliver() }},
	{5, "says both at once", func(c *clerk) {
		var both sync.WaitGroup
		both.Go(func() { (&clerk{c.history, c.dice.of("left")}).deliver() })
		both.Go(func() { (&clerk{c.history, c.dice.of("right")}).fail() })
		both.Wait()
	}},
	{10, "forgets it", func(*clerk) {}},
	{6, "is late", func(c *clerk) { pause(c.dice.between(20*time.Minute, 2*time.Hour)); c.deliver() }},
	{5, "says everything twice", func(c *clerk) { c.accept(); c.accept(); c.deliver(); c.accept(); c.deliver() }},
}

// revoking is what merchants do when they are asked to stop a delivery.
var revoking = []way[func(*clerk)]{
	{30, "stops it", (*clerk).revoke},
	{10, "says that it failed anyway", (*clerk).fail},
	{12, "was faster", (*clerk).deliver},
	{8, "says that it was faster, and cannot prove it", func(c *clerk) { c.say(order.DeliveryDone, ""); c.revoke() }},
	{20, "does not answer", func(*clerk) {}},
	{10, "answers too late", func(c *clerk) { pause(c.dice.between(5*time.Minute, time.Hour)); c.revoke() }},
	{8, "was faster and says so too late", func(c *clerk) { pause(c.dice.between(5*time.Minute, time.Hour)); c.deliver() }},
	{6, "stops it and delivers at once", func(c *clerk) {
		var both sync.WaitGroup
		both.Go(func() { (&clerk{c.history, c.dice.of("left")}).revoke() })
		both.Go(func() { (&clerk{c.history, c.dice.of("right")}).deliver() })
		both.Wait()
	}},
}

// know has the merchant begin to serve the order, once.
func (h *history) know() {
	h.once("serving", func() {
		c := &clerk{h, h.dice.of("clerk")}
		way := pick(c.dice, serving)
		h.note("the merchant %s", way.name)
		way.do(c)
	})
}

// stop has the merchant answer the wish to stop the delivery, once.
func (h *history) stop() {
	h.once("revoking", func() {
		c := &clerk{h, h.dice.of("revoker")}
		way := pick(c.dice, revoking)
		h.note("asked to stop, the merchant %s", way.name)
		way.do(c)
	})
}

// remember has a merchant who was reminded deliver, sometimes.
func (h *history) remember() {
	h.once("reminder", func() {
		c := &clerk{h, h.dice.of("reminded")}
		if c.dice.chance(0.4) {
			h.note("the merchant remembers")
			c.deliver()
		}
	})
}

// lookItUp is a merchant who does not wait to be told.
func (c *clerk) lookItUp() {
	if !c.dice.chance(0.1) {
		return
	}
	for range 30 {
		pause(2 * time.Minute)
		o, err := c.clerk().Order(c.ctx, c.order.ID)
		if err == nil && o.Status == string(order.Paid) {
			c.note("the merchant finds the order paid")
			c.know()
			return
		}
	}
}

func (c *clerk) clerk() *api.Client { return c.history.clerk }

func (c *clerk) work() {
	if c.dice.chance(0.7) {
		pause(c.dice.between(time.Second, 20*time.Minute))
	}
}

func (c *clerk) accept() {
	c.work()
	c.say(order.Accepted, "")
}

func (c *clerk) deliver() {
	c.work()
	if c.say(order.DeliveryDone, fmt.Sprintf("parcel %d", c.number)) == nil {
		c.arrive()
	}
}

func (c *clerk) fail() {
	c.work()
	c.say(order.DeliveryFailed, "")
}

func (c *clerk) revoke() {
	c.work()
	c.say(order.DeliveryRevoked, "")
}

// meaning is what a report that was answered with success can mean.
var meaning = map[order.DeliveryStatus][]order.EventType{
	order.Accepted:        {order.EventAccepted, order.EventDelivered},
	order.DeliveryDone:    {order.EventDelivered, order.EventConflict},
	order.DeliveryFailed:  {order.EventDeliveryFailed, order.EventRevoked},
	order.DeliveryRevoked: {order.EventRevoked, order.EventDeliveryFailed},
}

// say is the merchant's word.
func (c *clerk) say(status order.DeliveryStatus, proof string) error {
	r := api.DeliveryReport{Status: string(status), Proof: proof}
	if status == order.DeliveryFailed || status == order.DeliveryRevoked {
		r.Reason = "sold out"
	}
	return c.step("the merchant says "+r.Status+" "+proof, meaning[status], func() error {
		_, err := c.clerk().ReportDelivery(c.ctx, c.order.ID, r)
		return err
	})
}

// stands is the status of the order in notices that follow from it.
var stands = map[string]order.Status{
	merchant.OrderPaid: order.Paid, merchant.OrderClosed: order.Closed, merchant.RevokeRequested: order.Returning, merchant.OrderCompleted: order.Completed,
}

// check looks whether a notice says what it should, in the form that it should
// have. It is the same on every try.
func (h *history) check(n notice, id, body string) {
	h.mu.Lock()
	before, again := h.notices[id]
	h.notices[id] = body
	h.mu.Unlock()
	o := n.Data.Order
	switch status, is := stands[n.Type]; {
	case again && before != body:
		h.blame("notice %s was %s and is %s", id, before, body)
	case o.Amount != h.amount(), is && o.Status != status:
		h.blame("the merchant is told: %s", body)
	}
	if err := h.forms.Validate(n.Type, []byte(body)); err != nil {
		h.blame("the merchant is told: %s: %v", body, err)
	}
}

// answer is the reception's part in a try of a notice.
func (h *history) answer(rw http.ResponseWriter, r *http.Request, about string) {
	a, listens := h.tell.next()
	h.note("%s: the merchant's endpoint %s", about, a.name)
	h.mu.Lock()
	at := heard{r.URL.Path, r.Header.Get("Webhook-Id")}
	h.heard[at] = h.heard[at] || a.takes
	h.called[at] = time.Now()
	h.mu.Unlock()
	if listens {
		h.hear(about)
	}
	if a.name == fetches {
		h.acknowledge(at)
	}
	a.do(rw, r)
}

func (h *history) hear(about string) {
	switch about {
	case merchant.OrderPaid:
		h.know()
	case merchant.RevokeRequested:
		h.stop()
	case merchant.DeliveryOverdue:
		h.remember()
	}
}

func (h *history) amount() (sum int64) {
	for _, it := range h.wants.Items {
		sum += it.Quantity * it.UnitPrice
	}
	return sum
}
