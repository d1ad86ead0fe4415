package simulation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
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

// shop is a merchant: an endpoint for notices, and clerks who deliver.
type shop struct {
	*world
	id, host string
	secret   *standardwebhooks.Webhook
	stock    map[string]int64 // what there was in the beginning

	mu      sync.Mutex
	orders  map[string]*history // by the app's own number
	unknown []string            // notices about nobody's order
}

func (w *world) openShops() {
	for i := range shopsOfAWorld {
		s := &shop{world: w, id: fmt.Sprintf("m_%d", i+1), host: fmt.Sprintf("shop-%d.test", i+1), stock: map[string]int64{}, orders: map[string]*history{}}
		_, err := w.books.PutMerchant(w.ctx, merchant.Merchant{ID: s.id, Name: "Shop", FeeBps: 60 * i})
		require.NoError(w, err)
		for _, sku := range skus {
			if sku.onHand == 0 {
				continue
			}
			s.stock[sku.name] = max(1, sku.onHand*int64(w.size)/100/shopsOfAWorld)
			_, err := w.books.SetStock(w.ctx, s.id, sku.name, s.stock[sku.name])
			require.NoError(w, err)
		}
		secret := merchant.NewSecret()
		s.secret, err = standardwebhooks.NewWebhook(secret)
		require.NoError(w, err)
		require.NoError(w, w.books.CreateEndpoint(w.ctx, merchant.Endpoint{
			ID: ident.New[merchant.Endpoint](), MerchantID: s.id, URL: "https://" + s.host + "/notices", Secrets: []string{secret},
		}))
		w.net.host(s.host, s)
		w.shops = append(w.shops, s)
	}
}

func (s *shop) expect(h *history) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders[h.wants.MerchantOrderNo] = h
}

// ServeHTTP takes notices, as each history's reception does.
func (s *shop) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if h := s.read(r.Header, body); h != nil {
		h.answer(rw, r, string(body))
	}
}

// read finds whose history a notice is about.
func (s *shop) read(header http.Header, body []byte) *history {
	var n struct {
		Data struct {
			Order struct {
				No     string `json:"merchant_order_no"`
				Amount int64
				Status order.Status
			}
		}
	}
	err := errors.Join(s.secret.Verify(body, header), json.Unmarshal(body, &n))
	s.mu.Lock()
	defer s.mu.Unlock()
	o := n.Data.Order
	h := s.orders[o.No]
	switch {
	case err != nil || h == nil:
		s.unknown = append(s.unknown, fmt.Sprintf("%s: %v", body, err))
		return nil
	case o.Status != order.Paid || o.Amount != h.amount():
		h.blame("the merchant is told of an order that is %s, of %d", o.Status, o.Amount)
	}
	return h
}

// answered is how a shop answers one try of a notice.
type answered struct {
	name  string
	takes bool // it answers with success
	do    http.HandlerFunc
}

var welcome = answered{"takes it", true, func(http.ResponseWriter, *http.Request) {}}

const isSlow = "is slow"

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
		r.troubles = append(r.troubles, answered{w.name, w.name == isSlow, w.do})
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
	{5, "says everything twice", func(c *clerk) { c.accept(); c.accept(); c.deliver(); c.accept(); c.deliver() }},
}

// know has the merchant begin to serve the order, once.
func (h *history) know() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known {
		return
	}
	h.known = true
	h.act(func() {
		c := &clerk{h, h.dice.of("clerk")}
		way := pick(c.dice, serving)
		h.note("the merchant %s", way.name)
		way.do(c)
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
	_ = c.report(order.EventAccepted, api.DeliveryReport{Status: string(order.Accepted)})
}

func (c *clerk) deliver() {
	c.work()
	if c.report(order.EventDelivered, api.DeliveryReport{Status: string(order.DeliveryDone), Proof: fmt.Sprintf("parcel %d", c.number)}) == nil {
		c.arrive()
	}
}

func (c *clerk) fail() {
	c.work()
	_ = c.report(order.EventDeliveryFailed, api.DeliveryReport{Status: string(order.DeliveryFailed), Reason: "sold out"})
}

// report is the merchant's word. Accepting what is delivered already is well
// and leaves no trace.
func (c *clerk) report(promised order.EventType, r api.DeliveryReport) error {
	call := func() error {
		_, err := c.clerk().ReportDelivery(c.ctx, c.order.ID, r)
		return err
	}
	if promised == order.EventAccepted {
		return c.insist("the merchant says "+r.Status, call)
	}
	return c.step("the merchant says "+r.Status, promised, call)
}

// answer is the reception's part in a try of a notice, which is the same on
// every try.
func (h *history) answer(rw http.ResponseWriter, r *http.Request, body string) {
	h.mu.Lock()
	before := h.notice
	h.notice = body
	h.mu.Unlock()
	if before != "" && before != body {
		h.blame("the notice was %s and is %s", before, body)
	}
	a, heard := h.tell.next()
	h.note("the merchant's endpoint %s", a.name)
	if heard {
		h.know()
	}
	a.do(rw, r)
}

func (h *history) amount() (sum int64) {
	for _, it := range h.wants.Items {
		sum += it.Quantity * it.UnitPrice
	}
	return sum
}
