package simulator

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orderflow/orderflow/payment"
)

// choice is a fault that can be chosen by name when paying.
type choice struct {
	Name string
	What string
	set  func(f *Faults, delay Duration, times int)
}

// choices are the faults of the package comment's table, in its order. A zero
// delay or times is the fault's own default.
func choices() []choice {
	return []choice{
		{"delay", "the callback comes later", func(f *Faults, d Duration, _ int) { f.Delay = cmp.Or(d, Duration(30*time.Second)) }},
		{"duplicate", "the callback comes several times", func(f *Faults, _ Duration, n int) { f.Duplicate = cmp.Or(n, 2) }},
		{"drop", "no callback comes", func(f *Faults, _ Duration, _ int) { f.Drop = true }},
		{"reorder", "the callback comes after that of a refund", func(f *Faults, _ Duration, _ int) { f.Reorder = true }},
		{"wrong_amount", "another amount is paid", func(f *Faults, _ Duration, _ int) { f.WrongAmount = true }},
		{"late", "it is paid although it was closed or has expired", func(f *Faults, _ Duration, _ int) { f.Late = true }},
		{"refund_pending", "refunds are pending until asked about several times", func(f *Faults, _ Duration, n int) { f.RefundAsks = cmp.Or(n, 3) }},
		{"refund_slow", "refunds are pending for a while", func(f *Faults, d Duration, _ int) { f.RefundDelay = cmp.Or(d, Duration(30*time.Second)) }},
		{"refund_abnormal", "refunds do not reach the buyer, all or several times", func(f *Faults, _ Duration, n int) { f.Refund, f.RefundTimes = payment.RefundAbnormal, n }},
		{"refund_failed", "refunds are closed without any money moved, all or several times", func(f *Faults, _ Duration, n int) { f.Refund, f.RefundTimes = payment.RefundFailed, n }},
		{"balance_short", "refunds are refused several times for want of money", func(f *Faults, _ Duration, n int) { f.BalanceShort = cmp.Or(n, 2) }},
	}
}

// choose reads fault names with their delay and times.
func choose(names []string, delay Duration, times int) (Faults, error) {
	var f Faults
	for _, name := range strings.FieldsFunc(strings.Join(names, ","), func(r rune) bool { return r == ',' || r == ' ' }) {
		i := slices.IndexFunc(choices(), func(c choice) bool { return c.Name == name })
		if i < 0 {
			return Faults{}, fmt.Errorf("there is no fault %q", firstBytes(name, 32))
		}
		choices()[i].set(&f, delay, times)
	}
	return f, f.check()
}

func firstBytes(s string, n int) string { return s[:min(n, len(s))] }

// chosen reads the faults that a buyer chose: fields of a form or of a JSON
// object, or query parameters.
func chosen(r *http.Request) (Faults, error) {
	in := struct {
		Fault string   `json:"fault"`
		Delay Duration `json:"delay"`
		Times int      `json:"times"`
	}{}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") && r.ContentLength != 0 {
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			return Faults{}, errors.New(`the body is JSON such as {"fault":"delay","delay":"30s"}`)
		}
	}
	if err := r.ParseForm(); err != nil {
		return Faults{}, errors.New("the form cannot be read")
	}
	if d := r.Form.Get("delay"); d != "" {
		if err := in.Delay.UnmarshalText([]byte(d)); err != nil {
			return Faults{}, errors.New("delay is a time such as 30s")
		}
	}
	if n := r.Form.Get("times"); n != "" {
		times, err := strconv.Atoi(n)
		if err != nil {
			return Faults{}, errors.New("times is a number")
		}
		in.Times = times
	}
	return choose(append(r.Form["fault"], in.Fault), in.Delay, in.Times)
}
