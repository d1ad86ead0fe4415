package bench

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/access"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/internal/seal"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
	"github.com/orderflow/orderflow/producer/api"
)

// What orders are made of. Fifty merchants with twenty tracked SKUs each is a
// market: no row of stock is everybody's, and none is anybody's own.
const (
	merchants = 50 // where nobody says how many
	tracked   = 20 // SKUs that each merchant keeps stock of
	plenty    = 1_000_000_000
	price     = 9990 // of the tracked item, once
	extra     = 1000 // of the other, three times
	amount    = price + 3*extra
	feeBps    = 60
)

const benchActor = order.Actor("bench")

// orderflow is the system of this module.
type orderflow struct {
	program []string
	load    Load
	secret  string     // of the sandbox channel; empty: one is made
	keys    []seal.Key // of the merchants' secrets; empty: one is made
	profile string
	lived   bool // its database has had orders, and is not looked through as a whole
	sellers int  // merchants to order from; 0: merchants
	plain   bool // notices go through one shared queue: no endpoint is kept apart from the others

	since  order.ID // where there are others: below every id of this run's
	key    string   // the app's
	notice string   // the secret of all endpoints
	start  string   // makes this run's idempotency keys its own
}

func (*orderflow) name() string  { return "orderflow" }
func (*orderflow) ready() string { return "/readyz" }

func (o *orderflow) reader() (name, secret string) {
	if o.notice == "" {
		o.notice = merchant.NewSecret()
	}
	return "webhooks", o.notice
}

func (o *orderflow) prepare(ctx context.Context, s site) error {
	keys, err := seal.New(o.sealed()...)
	if err != nil {
		return err
	}
	d, err := db.Open(ctx, s.database, 4, db.SealedBy(keys))
	if err != nil {
		return err
	}
	defer d.Close()
	if _, err := d.Migrate(ctx); err != nil {
		return err
	}
	if err := empty(ctx, d); err != nil && !o.lived {
		return fmt.Errorf("%w: measure on a fresh one", err)
	}
	if o.lived {
		o.since = firstID(time.Now())
	}
	key, hash := access.NewKey(access.App)
	o.key, o.start = key, ident.New[order.Order]().Compact()
	if err := d.PutKey(ctx, hash, "bench_"+o.start, access.App, ""); err != nil {
		return err
	}
	for n := range o.merchants() {
		if err := o.settle(ctx, d, merchantID(n), s.door(n)); err != nil {
			return fmt.Errorf("prepare %s: %w", merchantID(n), err)
		}
	}
	return nil
}

// empty refuses a database with orders: what is there already could not be told
// from what is wrong.
func empty(ctx context.Context, d *db.DB) error {
	list, err := d.Orders(ctx, order.Filter{Limit: 1})
	if err == nil && len(list) > 0 {
		err = fmt.Errorf("the database has orders already, such as %s", list[0].ID)
	}
	return err
}

func (o *orderflow) merchants() int { return cmp.Or(o.sellers, merchants) }

// settle makes one merchant, with stock and an endpoint.
func (o *orderflow) settle(ctx context.Context, d *db.DB, id, url string) error {
	if _, err := d.PutMerchant(ctx, merchant.Merchant{ID: id, FeeBps: feeBps}); err != nil {
		return err
	}
	if err := keepStock(ctx, d, id); err != nil {
		return err
	}
	before, err := d.Endpoints(ctx, id) // of a run before, whose merchant has left
	if err != nil {
		return err
	}
	for _, e := range before {
		if err := d.DeleteEndpoint(ctx, id, e.ID, time.Now().UTC()); err != nil {
			return err
		}
	}
	return d.CreateEndpoint(ctx, merchant.Endpoint{
		ID: ident.New[merchant.Endpoint](), MerchantID: id, URL: url, Secrets: []string{o.notice},
		Events: []string{merchant.OrderPaid}, // what the baselines tell as well
	})
}

func merchantID(n int) string  { return fmt.Sprintf("bench_%02d", n) }
func trackedSKU(n int) string  { return fmt.Sprintf("TEA-%02d", n) }
func otherSKU(n int64) string  { return fmt.Sprintf("CUP-%06d", n%100_000) }
func buyerID(n int64) string   { return fmt.Sprintf("b_%06d", n*7919%1_000_000) }
func pick(n int64, of int) int { return int(n % int64(of)) }

// command is `orderflow serve` as it is released. Settings of the environment
// hold, so that one can be tried: ORDERFLOW_WORKERS_CONCURRENCY=64.
func (o *orderflow) command(s site) *exec.Cmd {
	args := []string{"serve", "--http", s.addr}
	if s.roles != "" {
		args = append(args, "--role", s.roles)
	}
	if o.plain {
		args = append(args, "--plain-notices")
	}
	if s.pprof != "" {
		args = append(args, "--pprof", s.pprof)
	}
	cmd := command(o.program, args...)
	cmd.Env = append(os.Environ(),
		"DATABASE_URL="+s.database, "REDIS_URL="+s.redis, "ORDERFLOW_NOTIFY_ALLOW_LOOPBACK=true", "ORDERFLOW_NOTIFY_VERIFY_EVERY=0s",
		"ORDERFLOW_SANDBOX_ENABLED=true", "ORDERFLOW_SANDBOX_SECRET="+o.channelSecret(), "ORDERFLOW_SANDBOX_URL="+s.channel,
		"ORDERFLOW_SECRETS_KEYS="+o.sealed()[0].Line())
	return cmd
}

func (o *orderflow) order(n int64, unpaid bool, _ site) call {
	seller := o.seller(n)
	body, err := json.Marshal(api.NewOrder{
		MerchantID: merchantID(seller), BuyerID: buyerID(n), Currency: "CNY", Channel: "sandbox", PayWithinSeconds: o.payWithin(unpaid),
		Items: []api.Item{
			{SKU: trackedSKU(pick(n/int64(o.merchants()), tracked)), Name: "Green tea, 100 g", Quantity: 1, UnitPrice: price},
			{SKU: otherSKU(n), Name: "Cup", Quantity: 3, UnitPrice: extra},
		},
	})
	if err != nil {
		panic("bench: an order always has a JSON form: " + err.Error())
	}
	key := fmt.Sprintf("%s-%d", o.start, n) // as the API's Go client sends one
	return call{path: "/v1/orders", header: header("Authorization", "Bearer "+o.key) + header("Idempotency-Key", key), body: body}
}

// seller is who the n-th order is from.
func (o *orderflow) seller(n int64) int { return pick(n, o.merchants()) }

func (o *orderflow) payWithin(unpaid bool) int64 {
	if !unpaid {
		return 0
	}
	return int64(o.load.PayWithin / time.Second)
}

func (*orderflow) made(answer []byte) (receipt, error) {
	id, rest := cutID(answer, `{"id":"`)
	payment, _ := cutID(rest, `"payment":{"id":"`)
	if id == "" || payment == "" {
		return receipt{}, fmt.Errorf("the answer names no order or no payment: %.200s", answer)
	}
	return receipt{order: id, payment: payment}, nil
}

// cutID is the text between what is before it and the next quotation mark. A
// reader of JSON would take as long as the service does for the answer.
func cutID(answer []byte, before string) (id string, rest []byte) {
	_, rest, _ = bytes.Cut(answer, []byte(before))
	text, rest, _ := bytes.Cut(rest, []byte(`"`))
	return string(text), rest
}

func (o *orderflow) callback(r receipt) call {
	now := time.Now().UTC()
	body, err := json.Marshal(sandbox.Event{
		EventID: "paid_" + r.payment, Type: string(payment.PaymentSucceeded), OutTradeNo: r.payment,
		TradeNo: tradeNo(r), Amount: amount, Currency: "CNY", PaidAt: now.Truncate(time.Millisecond),
	})
	if err != nil {
		panic("bench: an event always has a JSON form: " + err.Error())
	}
	return call{path: "/v1/channels/sandbox/callbacks", header: header(sandbox.SignatureHeader, sandbox.Sign(o.channelSecret(), body, now)), body: body}
}

// sealed are the keys of the merchants' secrets, the service's and ours.
func (o *orderflow) sealed() []seal.Key {
	if len(o.keys) == 0 {
		o.keys = []seal.Key{seal.NewKey("bench")}
	}
	return o.keys
}

// channelSecret is what both sides of the channel sign with. It is asked for
// first when nothing runs yet.
func (o *orderflow) channelSecret() string {
	if o.secret == "" {
		o.secret = ident.New[payment.Payment]().Compact()
	}
	return o.secret
}

// tradeNo is the channel's own number of a payment.
func tradeNo(r receipt) string { return "T" + strings.ToUpper(r.payment) }

// saveProfiles fetches what the service spent its time and memory on, during
// the next while.
func saveProfiles(ctx context.Context, addr, dir string, during time.Duration) error {
	seconds := max(1, int(during/time.Second))
	for _, p := range []struct{ file, path string }{
		{"cpu.pprof", fmt.Sprintf("profile?seconds=%d", seconds)},
		{"allocs.pprof", "allocs"},
		{"mutex.pprof", "mutex"},
		{"block.pprof", "block"},
	} {
		if err := fetch(ctx, "http://"+addr+"/debug/pprof/"+p.path, filepath.Join(dir, p.file)); err != nil {
			return fmt.Errorf("profile %s: %w", p.file, err)
		}
	}
	return nil
}

// fetch keeps an answer in a file.
func fetch(ctx context.Context, url, file string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.ReadFrom(resp.Body)
	return err
}
