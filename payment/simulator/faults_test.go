package simulator_test

import (
	"context"
	"encoding/json"
	"go/parser"
	"go/token"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
	"github.com/orderflow/orderflow/payment/simulator"
)

// One payment's faults, and the same faults for everyone.
func TestCallbackFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		query string
		all   simulator.Faults
		tell  func(t *testing.T, w *world, sell func() payment.Payment)
	}{
		{"delay", "fault=delay&delay=90s", simulator.Faults{Delay: simulator.Duration(90 * time.Second)}, tellDelay},
		{"duplicate", "fault=duplicate&times=3", simulator.Faults{Duplicate: 3}, tellDuplicate},
		{"drop", "fault=drop", simulator.Faults{Drop: true}, tellDrop},
		{"reorder", "fault=reorder", simulator.Faults{Reorder: true}, tellReorder},
		{"reorder without a refund", "fault=reorder", simulator.Faults{Reorder: true}, tellHeldBack},
		{"wrong amount", "fault=wrong_amount", simulator.Faults{WrongAmount: true}, tellWrongAmount},
		{"refund pending", "fault=refund_pending&times=2", simulator.Faults{RefundAsks: 2}, tellRefundPending},
		{"refund slow", "fault=refund_slow&delay=1h", simulator.Faults{RefundDelay: simulator.Duration(time.Hour)}, tellRefundSlow},
		{"refund abnormal", "fault=refund_abnormal", simulator.Faults{Refund: payment.RefundAbnormal}, tellRefundAbnormal},
		{"refund failed", "fault=refund_failed", simulator.Faults{Refund: payment.RefundFailed}, tellRefundFailed},
		{"refund abnormal once", "fault=refund_abnormal&times=1", simulator.Faults{Refund: payment.RefundAbnormal, RefundTimes: 1}, tellRefundAbnormalOnce},
		{"refund failed once", "fault=refund_failed&times=1", simulator.Faults{Refund: payment.RefundFailed, RefundTimes: 1}, tellRefundFailedOnce},
		{"balance short", "fault=balance_short&times=2", simulator.Faults{BalanceShort: 2}, tellBalanceShort},
	} {
		t.Run(c.name+", one payment", func(t *testing.T) {
			t.Parallel()
			story(t, func(t *testing.T, w *world) {
				c.tell(t, w, func() payment.Payment { return w.sell(t, c.query) })
			})
		})
		t.Run(c.name+", everyone", func(t *testing.T) {
			t.Parallel()
			story(t, func(t *testing.T, w *world) {
				require.NoError(t, w.sim.SetFaults(c.all))
				c.tell(t, w, func() payment.Payment { return w.sell(t, "") })
			})
		})
	}
}

func tellDelay(t *testing.T, w *world, sell func() payment.Payment) {
	sell()
	require.Empty(t, w.shop.heard(90*time.Second-1))
	require.Len(t, w.shop.heard(1), 1)
}

func tellDuplicate(t *testing.T, w *world, sell func() payment.Payment) {
	sell()
	all := w.shop.heard(time.Hour)
	require.Len(t, all, 5, "once, three more times, and once as another event")
	ids := map[string]int{}
	for _, one := range all {
		ids[one.EventID]++
		require.Equal(t, all[0].TradeNo, one.TradeNo)
	}
	require.Len(t, ids, 2)
	require.Contains(t, ids, all[0].EventID)
}

func tellDrop(t *testing.T, w *world, sell func() payment.Payment) {
	p := sell()
	_, err := w.refund(t, p, 1)
	require.NoError(t, err)
	require.Empty(t, w.shop.heard(48*time.Hour))
	require.Equal(t, payment.Paid, p.State, "the channel still says it when asked")
}

func tellReorder(t *testing.T, w *world, sell func() payment.Payment) {
	p := sell()
	_, err := w.refund(t, p, 1)
	require.NoError(t, err)
	require.Equal(t, []string{"refund", "payment"}, types(w.shop.heard(time.Minute)))
	_, err = w.refund(t, p, 1)
	require.NoError(t, err)
	require.Equal(t, []string{"refund", "payment", "refund", "payment", "payment"}, types(w.shop.heard(time.Hour)), "older after newer, and what was held back")
}

func tellHeldBack(t *testing.T, w *world, sell func() payment.Payment) {
	sell()
	require.Empty(t, w.shop.heard(2*time.Minute-1))
	require.Equal(t, []string{"payment"}, types(w.shop.heard(time.Hour)))
}

func tellWrongAmount(t *testing.T, w *world, sell func() payment.Payment) {
	p := sell()
	require.EqualValues(t, price-1, p.Amount, "the channel took it, so it also says so when asked")
	require.EqualValues(t, price-1, w.shop.heard(0)[0].Amount)
	_, err := w.refund(t, p, price)
	require.Equal(t, payment.Permanent, payment.ClassOf(err), "more than was taken")
	_, err = w.refund(t, p, price-1)
	require.NoError(t, err)
}

func tellRefundPending(t *testing.T, w *world, sell func() payment.Payment) {
	p := sell()
	r, err := w.refund(t, p, price)
	require.NoError(t, err)
	require.Equal(t, payment.RefundPending, r.State)
	require.Equal(t, []string{"payment"}, types(w.shop.heard(48*time.Hour)))
	require.Equal(t, payment.RefundPending, w.ask(t, p, r).State)
	require.Equal(t, payment.RefundDone, w.ask(t, p, r).State, "the second question finds it done")
	require.Equal(t, []string{"payment", "refund"}, types(w.shop.heard(0)))
	require.Equal(t, payment.RefundDone, w.ask(t, p, r).State)
	require.Len(t, w.shop.heard(time.Hour), 2, "it is done once")
}

func tellRefundSlow(t *testing.T, w *world, sell func() payment.Payment) {
	p := sell()
	r, err := w.refund(t, p, price)
	require.NoError(t, err)
	require.Equal(t, []string{"payment"}, types(w.shop.heard(time.Hour-1)))
	require.Equal(t, payment.RefundPending, w.ask(t, p, r).State)
	_, err = w.refund(t, p, 1)
	require.Equal(t, payment.Permanent, payment.ClassOf(err), "money on its way cannot go back a second time")
	require.Equal(t, []string{"payment", "refund"}, types(w.shop.heard(1)))
	require.Equal(t, payment.RefundDone, w.ask(t, p, r).State)
}

func tellRefundAbnormal(t *testing.T, w *world, sell func() payment.Payment) {
	p := sell()
	r, err := w.refund(t, p, price)
	require.NoError(t, err)
	require.Equal(t, payment.RefundAbnormal, r.State)
	require.NotEmpty(t, r.Reason)
	_, err = w.refund(t, p, 1)
	require.Equal(t, payment.Permanent, payment.ClassOf(err), "the money is still spoken for")
	require.Equal(t, []string{"payment"}, types(w.shop.heard(time.Hour)))
}

func tellRefundFailed(t *testing.T, w *world, sell func() payment.Payment) {
	p := sell()
	for range 2 { // no money moved, so there is room for another
		r, err := w.refund(t, p, price)
		require.NoError(t, err)
		require.Equal(t, payment.RefundFailed, r.State)
		require.Equal(t, payment.RefundFailed, w.ask(t, p, r).State, "its number stays failed")
	}
	again, err := w.channel.Query(t.Context(), p.OutTradeNo)
	require.NoError(t, err)
	require.Equal(t, payment.Paid, again.State)
}

func (w *world) ask(t *testing.T, p payment.Payment, r payment.Refund) payment.Refund {
	t.Helper()
	got, err := w.channel.QueryRefund(t.Context(), p.OutTradeNo, r.OutRefundNo)
	require.NoError(t, err)
	return got
}

func TestLateMoney(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		for name, end := range map[string]func(no string){
			"closed":  func(no string) { _, err := w.channel.Close(t.Context(), no); require.NoError(t, err) },
			"expired": func(string) { time.Sleep(time.Hour) },
		} {
			no, link := w.order(t)
			end(no)
			status, _ := w.pay(t, link, "")
			require.Equal(t, http.StatusGone, status, name)
			status, answer := w.pay(t, link, "fault=late")
			require.Equal(t, http.StatusOK, status, name)
			require.Equal(t, "paid", answer.Status, name)
			p, err := w.channel.Query(t.Context(), no)
			require.NoError(t, err)
			require.Equal(t, payment.Paid, p.State, name)
			status, _ = w.pay(t, link, "fault=late")
			require.Equal(t, http.StatusConflict, status, "late is not twice")
		}
		require.Len(t, w.shop.heard(time.Hour), 2)
	})
}

func TestGatewayFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind     simulator.GatewayFaultKind
		class    payment.Class
		happened bool
	}{
		{simulator.GatewayError, payment.Unknown, false},
		{simulator.GatewayThrottle, payment.Retryable, false},
		{simulator.GatewayLost, payment.Unknown, true},
		{simulator.GatewayReset, payment.Unknown, true},
		{simulator.GatewayHang, payment.Unknown, true},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			t.Parallel()
			story(t, func(t *testing.T, w *world) {
				no, link := w.order(t)
				fault := simulator.GatewayFault{Kind: c.kind, Method: sandbox.MethodClose, Times: 1}
				require.NoError(t, w.sim.SetFaults(simulator.Faults{Gateway: fault}))
				_, err := w.channel.Query(t.Context(), no)
				require.NoError(t, err, "it is the other method's fault")
				began := time.Now()
				_, err = w.channel.Close(t.Context(), no)
				require.Equal(t, c.class, payment.ClassOf(err), "%v", err)
				require.Equal(t, c.kind == simulator.GatewayHang, isTimeout(err))
				if isTimeout(err) {
					require.Equal(t, 10*time.Second, time.Since(began))
				}
				status, _ := w.pay(t, link, "")
				require.Equal(t, c.happened, status == http.StatusGone, "%d", status)
				require.Zero(t, w.sim.Faults())
				_, err = w.channel.Close(t.Context(), no)
				require.NoError(t, err, "it was for once")
			})
		})
	}
}

func TestAGatewayFaultIsCounted(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		for _, c := range []struct{ times, failures int }{{1, 1}, {3, 3}, {0, 10}} {
			fault := simulator.GatewayFault{Kind: simulator.GatewayError, Times: c.times}
			require.NoError(t, w.sim.SetFaults(simulator.Faults{Drop: true, Gateway: fault}))
			failures := 0
			for range 10 {
				if _, err := w.channel.Query(t.Context(), newNumber()); err != nil {
					failures++
				}
			}
			require.Equal(t, c.failures, failures, "times %d", c.times)
			require.True(t, w.sim.Faults().Drop, "other faults stay")
		}
	})
}

func TestAHangEndsWithTheSimulator(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		require.NoError(t, w.sim.SetFaults(simulator.Faults{Gateway: simulator.GatewayFault{Kind: simulator.GatewayHang}}))
		no, _ := w.order(t)
		failed := make(chan error)
		go func() { _, err := w.channel.Query(context.WithoutCancel(t.Context()), no); failed <- err }()
		w.shop.heard(time.Second)
		began := time.Now()
		w.sim.Stop()
		require.True(t, payment.Undecided(<-failed))
		require.Zero(t, time.Since(began))
	})
}

func TestFaultsAreSetByTheMerchantAlone(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		const link = "http://bank.test/sandbox/faults"
		const body = `{"delay":"1m30s","duplicate":1,"refund":"abnormal","gateway":{"kind":"error","times":2}}`
		for _, c := range []struct {
			name   string
			header http.Header
			body   string
			want   int
		}{
			{"unsigned", http.Header{}, body, http.StatusUnauthorized},
			{"stale", signed(body, time.Now().Add(-time.Hour)), body, http.StatusUnauthorized},
			{"signed for another body", signed(body, time.Now()), `{"drop":true}`, http.StatusUnauthorized},
			{"unknown", signed(`{"chaos":1}`, time.Now()), `{"chaos":1}`, http.StatusBadRequest},
			{"a call of the gateway", signed(`{"method":"payment.close"}`, time.Now()), `{"method":"payment.close"}`, http.StatusBadRequest},
			{"too often", signed(`{"duplicate":101}`, time.Now()), `{"duplicate":101}`, http.StatusBadRequest},
			{"too long", signed(`{"delay":"25h"}`, time.Now()), `{"delay":"25h"}`, http.StatusBadRequest},
			{"a negative number", signed(`{"refund_times":-1}`, time.Now()), `{"refund_times":-1}`, http.StatusBadRequest},
			{"short too often", signed(`{"balance_short":101}`, time.Now()), `{"balance_short":101}`, http.StatusBadRequest},
			{"no such kind", signed(`{"gateway":{"kind":"fire"}}`, time.Now()), `{"gateway":{"kind":"fire"}}`, http.StatusBadRequest},
		} {
			status, _, answer := w.do(t, http.MethodPost, link, c.header, c.body)
			require.Equal(t, c.want, status, "%s: %s", c.name, answer)
			require.Zero(t, w.sim.Faults(), c.name)
		}
		status, header, answer := w.do(t, http.MethodPost, link, signed(body, time.Now()), body)
		require.Equal(t, http.StatusOK, status, answer)
		require.JSONEq(t, body, answer)
		require.NoError(t, sandbox.Verify(secret, header, []byte(answer), time.Now()))
		require.Equal(t, simulator.Faults{
			Delay: simulator.Duration(90 * time.Second), Duplicate: 1, Refund: payment.RefundAbnormal,
			Gateway: simulator.GatewayFault{Kind: simulator.GatewayError, Times: 2},
		}, w.sim.Faults())
	})
}

func TestFaultsAreChosenInEveryWay(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		formHeader, formBody := form(url.Values{"fault": {"delay", "drop"}, "delay": {"5s"}, "times": {""}})
		for name, send := range map[string]func(link string) int{
			"query": func(link string) int { status, _ := w.pay(t, link, "fault=delay,drop&delay=5s"); return status },
			"form": func(link string) int {
				status, _, _ := w.do(t, http.MethodPost, link, formHeader, formBody)
				return status
			},
			"JSON": func(link string) int {
				status, _, _ := w.do(t, http.MethodPost, link, http.Header{"Content-Type": {"application/json"}}, `{"fault":"delay,drop","delay":"5s"}`)
				return status
			},
		} {
			no, link := w.order(t)
			require.Equal(t, http.StatusOK, send(link), name)
			p, _ := w.sim.Payment(no)
			require.Equal(t, simulator.Faults{Delay: simulator.Duration(5 * time.Second), Drop: true}, p.Faults, name)
		}
		for _, query := range []string{"fault=fire", "fault=delay&delay=soon", "fault=delay&delay=-1s", "fault=duplicate&times=1e9", "fault=duplicate&times=101"} {
			no, link := w.order(t)
			status, answer := w.pay(t, link, query)
			require.Equal(t, http.StatusBadRequest, status, query)
			require.Equal(t, "BAD_FAULT", answer.Code)
			_, known := w.sim.Payment(no)
			require.False(t, known, "nothing was paid")
		}
	})
}

// The table in the package comment is what the channel offers.
func TestTheFaultTableIsComplete(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		file, err := parser.ParseFile(token.NewFileSet(), "simulator.go", nil, parser.ParseComments|parser.PackageClauseOnly)
		require.NoError(t, err)
		_, _, index := w.do(t, http.MethodGet, "http://bank.test/sandbox/", nil, "")
		_, index, _ = strings.Cut(index, "Faults:")
		offered := regexp.MustCompile(`(?m)^  ([a-z_]+) `).FindAllStringSubmatch(index, -1)
		written := regexp.MustCompile(`(?m)^\t([a-z_]+)  +[A-Z]`).FindAllStringSubmatch(file.Doc.Text(), -1)
		names := func(matches [][]string) (all []string) {
			for _, m := range matches {
				all = append(all, m[1])
			}
			return all
		}
		require.Len(t, offered, 11)
		require.Equal(t, names(offered), names(written)[1:], "below the table's head")
		var kinds simulator.Faults
		for _, m := range regexp.MustCompile(`(?m)^\t {19}([a-z_]+) `).FindAllStringSubmatch(file.Doc.Text(), -1) {
			require.NoError(t, json.Unmarshal([]byte(`{"gateway":{"kind":"`+m[1]+`"}}`), &kinds))
			require.NoError(t, w.sim.SetFaults(kinds), m[1])
		}
		require.Equal(t, simulator.GatewayHang, w.sim.Faults().Gateway.Kind)
	})
}
