package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// What the programs under bench/baseline agree on with whoever calls them. They
// are a module of their own, so it is said twice.
const (
	baselineSignature = "X-Signature"
	baselineSecret    = "baseline-secret"
)

// baseline is one of the programs under bench/baseline.
type baseline struct {
	title   string // "bare"
	program string // its path
}

func (b *baseline) name() string                { return b.title }
func (*baseline) ready() string                 { return "/healthz" }
func (*baseline) reader() (name, secret string) { return "hmac", baselineSecret }

func (b *baseline) command(s site) *exec.Cmd {
	return b.call(s, "-listen", s.addr)
}

func (b *baseline) prepare(_ context.Context, s site) error {
	cmd := b.call(s, "-migrate")
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("make the tables of %s: %w: %s", b.title, err, strings.TrimSpace(said.String()))
	}
	return nil
}

func (b *baseline) call(s site, args ...string) *exec.Cmd {
	cmd := command([]string{b.program}, args...)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+s.database, "REDIS_URL="+s.redis)
	return cmd
}

type baselineItem struct {
	SKU   string `json:"sku"`
	Qty   int    `json:"qty"`
	Price int64  `json:"price"`
}

type baselineOrder struct {
	MerchantID int64          `json:"merchant_id"`
	OutTradeNo string         `json:"out_trade_no"`
	Amount     int64          `json:"amount"`
	Currency   string         `json:"currency"`
	NotifyURL  string         `json:"notify_url"`
	Items      []baselineItem `json:"items"`
}

type baselineCallback struct {
	OrderID int64  `json:"order_id"`
	TxnID   string `json:"txn_id"`
	Amount  int64  `json:"amount"`
	Channel string `json:"channel"`
}

func (b *baseline) order(n int64, _ bool, s site) call {
	return call{path: "/orders", body: mustJSON(baselineOrder{
		MerchantID: 1 + n%merchants, OutTradeNo: fmt.Sprintf("%s-%010d", b.title, n), Amount: amount, Currency: "CNY", NotifyURL: s.door(0),
		Items: []baselineItem{{trackedSKU(pick(n, tracked)), 1, price}, {otherSKU(n), 3, extra}},
	})}
}

func (*baseline) made(answer []byte) (receipt, error) {
	var v struct {
		ID int64 `json:"id"`
	}
	err := json.Unmarshal(answer, &v)
	if err == nil && v.ID == 0 {
		err = fmt.Errorf("the answer names no order: %.200s", answer)
	}
	id := strconv.FormatInt(v.ID, 10)
	return receipt{order: id, payment: "TX" + id}, err
}

func (*baseline) callback(r receipt) call {
	id, _ := strconv.ParseInt(r.order, 10, 64) // made wrote it
	body := mustJSON(baselineCallback{OrderID: id, TxnID: r.payment, Amount: amount, Channel: "alipay"})
	return call{path: "/payments/callback", header: header(baselineSignature, hexMAC(baselineSecret, body)), body: body}
}

func (*baseline) left(ctx context.Context, conn *pgx.Conn) (n int64, err error) {
	err = conn.QueryRow(ctx, "SELECT count(*) FROM orders WHERE state = 'paid'").Scan(&n)
	return n, err
}

// verify counts the rows that every lifecycle leaves.
func (*baseline) verify(ctx context.Context, conn *pgx.Conn, b *book) ([]string, error) {
	return check(ctx, conn, b, append(unasked(b, ""), []rule{
		{"the order exists", "SELECT a.id FROM book a LEFT JOIN orders o ON o.id = a.id::bigint WHERE o.id IS NULL"},
		{"a paid order is delivered", "SELECT a.id FROM book a JOIN orders o ON o.id = a.id::bigint WHERE a.paid AND o.state <> 'delivered'"},
		{"an order has its two items", `SELECT a.id FROM book a WHERE (SELECT count(*) FROM order_items i WHERE i.order_id = a.id::bigint) <> 2`},
		{"a paid order has one payment, one event and one delivery", `SELECT a.id FROM book a WHERE a.paid AND (
			(SELECT count(*) FROM payments p WHERE p.order_id = a.id::bigint AND p.amount = 12990) <> 1
			OR (SELECT count(*) FROM order_events e WHERE e.order_id = a.id::bigint) <> 1
			OR (SELECT count(*) FROM delivery_attempts d WHERE d.order_id = a.id::bigint AND d.status = 200) <> 1)`},
	}...))
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("bench: strings and numbers always have a JSON form: " + err.Error())
	}
	return b
}
