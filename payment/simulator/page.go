package simulator

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/orderflow/orderflow/payment"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

// page writes the pay page. It needs nothing from elsewhere and says so in its
// content security policy.
type page struct {
	template *template.Template
	policy   string
}

// pageView is what the template shows.
type pageView struct {
	CSS      template.CSS
	Title    string
	Payment  Payment
	Figure   string // "1,234.50"
	Outcome  outcome
	Payable  bool
	Paid     bool
	Choices  []choice
	ExpireAt string
}

func newPage() *page {
	sum := sha256.Sum256([]byte(pageCSS))
	return &page{
		template: template.Must(template.New("page").Parse(pageHTML)),
		policy: "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; style-src 'sha256-" +
			base64.StdEncoding.EncodeToString(sum[:]) + "'",
	}
}

func (p *page) write(w http.ResponseWriter, status int, paid Payment, o outcome) {
	v := pageView{
		CSS: template.CSS(pageCSS), Title: title(status, o), //nolint:gosec // our own file
		Payment: paid, Figure: figure(o.Amount, o.Currency), Outcome: o,
		Payable:  status == http.StatusOK && o.Status == payment.Pending,
		Paid:     status == http.StatusOK && o.Status == payment.Paid,
		Choices:  choices(),
		ExpireAt: paid.ExpireAt.Format("2 January 2006, 15:04:05 MST"),
	}
	var html bytes.Buffer
	if err := p.template.Execute(&html, v); err != nil {
		http.Error(w, "the pay page has failed", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer") // the link itself is the right to pay
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(html.Bytes()) // a buyer who has gone opens the link again
}

func title(status int, o outcome) string {
	switch {
	case status == http.StatusOK && o.Status == payment.Pending:
		return "Pay"
	case status == http.StatusOK:
		return "Paid"
	case status == http.StatusConflict && o.Code == "ALREADY_PAID":
		return "Already paid"
	case o.Code == "EXPIRED":
		return "Expired"
	case o.Code == "CLOSED":
		return "Closed"
	}
	return "This does not work"
}

// figure writes an amount in major units with thousands set apart: 123450 CNY
// is "1,234.50".
func figure(minor int64, currency string) string {
	digits := strconv.FormatInt(minor, 10)
	decimals := decimalsOf(currency)
	if pad := decimals + 1 - len(digits); pad > 0 {
		digits = strings.Repeat("0", pad) + digits
	}
	whole, fraction := digits[:len(digits)-decimals], digits[len(digits)-decimals:]
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction == "" {
		return whole
	}
	return whole + "." + fraction
}

// decimalsOf is the ISO 4217 exponent; two where the standard has no other.
func decimalsOf(currency string) int {
	switch currency {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	case "CLF", "UYW":
		return 4
	}
	return 2
}

// serveIndex says what there is, for whoever looks at the root.
func (s *Simulator) serveIndex(w http.ResponseWriter, _ *http.Request) {
	var b strings.Builder
	fmt.Fprintf(&b, "Orderflow's sandbox channel. No real money moves here.\n\n")
	fmt.Fprintf(&b, "Pay by opening an order's payment URL, or without a browser:\n\n  curl -X POST %s/pay/TOKEN\n  curl -X POST '%s/pay/TOKEN?fault=delay&delay=30s'\n\nFaults:\n\n", s.base, s.base)
	for _, c := range choices() {
		fmt.Fprintf(&b, "  %-16s %s\n", c.Name, c.What)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(b.String()))
}
