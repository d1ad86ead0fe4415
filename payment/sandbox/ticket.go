package sandbox

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Ticket is what a link to the pay page says: the merchant's request for a
// payment, signed by the merchant and carried by the buyer.
type Ticket struct {
	OutTradeNo string `json:"out_trade_no"`
	Amount     int64  `json:"amount"` // minor units
	Currency   string `json:"currency"`
	Subject    string `json:"subject"`
	ExpireAt   int64  `json:"expire_at"` // Unix milliseconds
	NotifyURL  string `json:"notify_url"`
}

// What a ticket may hold, so that a link stays a link.
const (
	maxSubject   = 120 // characters
	maxNotifyURL = 1024
	maxTicket    = 4096
)

// ErrTicket says that a link's token is not a ticket of the merchant's.
var ErrTicket = errors.New("this is not a valid payment link")

// signedAs keeps a ticket's signature apart from those of bodies, which are
// prefixed with a number.
const signedAs = "pay"

// Seal is the token of a pay link: base64url(JSON).base64url(HMAC). It needs no
// escaping in a URL and is the same for the same ticket.
func (t Ticket) Seal(secret string) (string, error) {
	if err := t.check(); err != nil {
		return "", err
	}
	body, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("write the ticket: %w", err)
	}
	said := base64.RawURLEncoding.EncodeToString(body)
	token := said + "." + base64.RawURLEncoding.EncodeToString(mac(secret, signedAs, []byte(said)))
	if len(token) > maxTicket {
		return "", fmt.Errorf("the link would be longer than %d bytes: shorten the notify URL or the subject", maxTicket)
	}
	return token, nil
}

// OpenTicket reads a token that Seal made with the same secret. Every other
// token is an ErrTicket.
func OpenTicket(secret, token string) (Ticket, error) {
	said, signature, ok := strings.Cut(token, ".")
	if !ok || len(token) > maxTicket {
		return Ticket{}, ErrTicket
	}
	sum, err := base64.RawURLEncoding.Strict().DecodeString(signature)
	if err != nil || !hmac.Equal(sum, mac(secret, signedAs, []byte(said))) {
		return Ticket{}, ErrTicket
	}
	var t Ticket
	body, err := base64.RawURLEncoding.Strict().DecodeString(said)
	if err != nil || json.Unmarshal(body, &t) != nil || t.check() != nil {
		return Ticket{}, ErrTicket
	}
	return t, nil
}

// check says what keeps a ticket from being one.
func (t Ticket) check() error {
	switch {
	case !IsNumber(t.OutTradeNo):
		return errors.New("out_trade_no must be 32 lower-case hex digits")
	case t.Amount <= 0:
		return errors.New("the amount must be positive")
	case !isCurrency(t.Currency):
		return errors.New("the currency must be an ISO 4217 code such as CNY")
	case t.ExpireAt <= 0:
		return errors.New("the expiry is missing: a payment without one can come at any time")
	case utf8.RuneCountInString(t.Subject) > maxSubject:
		return fmt.Errorf("the subject is longer than %d characters", maxSubject)
	}
	u, err := url.Parse(t.NotifyURL)
	if err != nil || !absolute(u) || len(t.NotifyURL) > maxNotifyURL {
		return fmt.Errorf("the notify URL must be an http or https URL of at most %d bytes", maxNotifyURL)
	}
	return nil
}

// IsNumber says whether s can be an out_trade_no or an out_refund_no.
func IsNumber(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

func isCurrency(s string) bool {
	return len(s) == 3 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

func absolute(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// clip keeps at most n characters of s.
func clip(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
