// Package trade is what the baselines have in common: the shapes that travel,
// their signature, and the tables. Both answer
//
//	POST /orders             an order of some items, to be paid within CloseAfter
//	POST /payments/callback  the payment channel's word, signed
//	GET  /healthz            200 once the service is up
//
// and tell the merchant of each payment with a signed POST. What they do in
// between is each one's own; the rows that they leave are the same.
package trade

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Schema makes the tables in an empty database.
//
//go:embed schema.sql
var Schema string

// CloseAfter is how long an order may be paid.
const CloseAfter = 15 * time.Minute

// SignatureHeader carries the hex HMAC-SHA256 of a body, both ways.
const SignatureHeader = "X-Signature"

// secret is shared with the load generator: nothing here is worth a better one.
var secret = []byte("baseline-secret")

// NewOrder asks for an order.
type NewOrder struct {
	MerchantID int64  `json:"merchant_id"`
	OutTradeNo string `json:"out_trade_no"`
	Amount     int64  `json:"amount"`
	Currency   string `json:"currency"`
	NotifyURL  string `json:"notify_url"`
	Items      []Item `json:"items"`
}

// Item is one line of an order.
type Item struct {
	SKU   string `json:"sku"`
	Qty   int    `json:"qty"`
	Price int64  `json:"price"`
}

// Callback is what the payment channel says. TxnID is the same on every repeat.
type Callback struct {
	OrderID int64  `json:"order_id"`
	TxnID   string `json:"txn_id"`
	Amount  int64  `json:"amount"`
	Channel string `json:"channel"`
}

// Notice tells the merchant of a payment.
type Notice struct {
	OrderID    int64     `json:"order_id"`
	OutTradeNo string    `json:"out_trade_no"`
	Amount     int64     `json:"amount"`
	Currency   string    `json:"currency"`
	State      string    `json:"state"`
	PaidAt     time.Time `json:"paid_at"`
}

// ReadOrder reads a request's order and says whether it can be one.
func ReadOrder(r *http.Request) (o NewOrder, err error) {
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		return o, err
	}
	if o.OutTradeNo == "" || o.Amount <= 0 || len(o.Items) == 0 {
		return o, errors.New("want out_trade_no, a positive amount and items")
	}
	return o, nil
}

// maxBody bounds what strangers send.
const maxBody = 64 << 10

// ReadCallback answers for what is not the channel's and says ok for what is.
func ReadCallback(w http.ResponseWriter, r *http.Request) (c Callback, body []byte, ok bool) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	switch {
	case err != nil:
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
	case !hmac.Equal([]byte(Sign(body)), []byte(r.Header.Get(SignatureHeader))):
		http.Error(w, "wrong signature", http.StatusUnauthorized)
	case json.Unmarshal(body, &c) != nil:
		http.Error(w, "want JSON", http.StatusBadRequest)
	default:
		return c, body, true
	}
	return c, nil, false
}

// Sign is the signature of a body.
func Sign(body []byte) string {
	m := hmac.New(sha256.New, secret)
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}

// Created answers that an order was made.
func Created(w http.ResponseWriter, id int64) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"id":%d}`, id)
}

// Told is how a try to tell the merchant went. Err is of the connection; a
// Status other than 200 is a refusal.
type Told struct {
	Status int
	Took   time.Duration
	Err    error
}

// Failed is why the notice must be sent again, or nil.
func (t Told) Failed() error {
	if t.Err == nil && t.Status != http.StatusOK {
		return fmt.Errorf("the merchant answered %d", t.Status)
	}
	return t.Err
}

// Tell sends a notice to the merchant, once.
func Tell(ctx context.Context, client *http.Client, url string, n Notice) Told {
	body, err := json.Marshal(n)
	if err != nil {
		return Told{Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return Told{Err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(SignatureHeader, Sign(body))
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return Told{Took: time.Since(began), Err: err}
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // so that the connection is used again
	return Told{Status: resp.StatusCode, Took: time.Since(began)}
}
