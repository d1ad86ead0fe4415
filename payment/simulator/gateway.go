package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
)

// maxHang is the longest that a hanging call is left without an answer.
const maxHang = time.Minute

// serveGateway answers the merchant's calls.
func (s *Simulator) serveGateway(w http.ResponseWriter, r *http.Request) {
	var call sandbox.Call
	if err := s.readSigned(w, r, &call); err != nil {
		s.refuse(w, err)
		return
	}
	fault := s.takeGatewayFault(call.Method)
	switch fault {
	case GatewayError:
		http.Error(w, "out of order, by request", http.StatusServiceUnavailable)
		return
	case GatewayThrottle:
		http.Error(w, "too many calls, by request", http.StatusTooManyRequests)
		return
	case GatewayBalanceShort:
		s.refuse(w, balanceShort())
		return
	}
	reply, err := s.answer(call)
	switch {
	case fault != "":
		s.loseAnswer(w, r, fault)
	case err != nil:
		s.refuse(w, err)
	default:
		s.answerSigned(w, http.StatusOK, reply)
	}
}

// loseAnswer keeps from the caller what has already happened.
func (s *Simulator) loseAnswer(w http.ResponseWriter, r *http.Request, how GatewayFaultKind) {
	switch how {
	case GatewayLost:
		http.Error(w, "the answer was lost, by request", http.StatusBadGateway)
	case GatewayHang:
		limit := time.NewTimer(maxHang)
		defer limit.Stop()
		select {
		case <-r.Context().Done():
		case <-s.queue.quit:
		case <-limit.C:
		}
		fallthrough
	default:
		panic(http.ErrAbortHandler) // net/http drops the connection without a word
	}
}

// answer does what a call asks.
func (s *Simulator) answer(c sandbox.Call) (sandbox.Reply, error) {
	if !sandbox.IsNumber(c.OutTradeNo) {
		return sandbox.Reply{}, &refused{http.StatusBadRequest, "BAD_REQUEST", "out_trade_no must be 32 lower-case hex digits"}
	}
	switch c.Method {
	case sandbox.MethodQuery:
		p, err := s.update(c.OutTradeNo, (*Payment).tell)
		return s.replyPayment(p), err
	case sandbox.MethodClose:
		unseen := s.Faults().CloseUnseen
		p, err := s.update(c.OutTradeNo, func(p *Payment) error { return p.close(unseen) })
		return s.replyPayment(p), err
	case sandbox.MethodRefund, sandbox.MethodQueryRefund:
		return s.answerRefund(c)
	}
	return sandbox.Reply{}, &refused{http.StatusBadRequest, "BAD_REQUEST", "there is no such method"}
}

func (s *Simulator) answerRefund(c sandbox.Call) (sandbox.Reply, error) {
	if !sandbox.IsNumber(c.OutRefundNo) {
		return sandbox.Reply{}, &refused{http.StatusBadRequest, "BAD_REQUEST", "out_refund_no must be 32 lower-case hex digits"}
	}
	short := false
	p, err := s.update(c.OutTradeNo, func(p *Payment) error {
		if c.Method == sandbox.MethodQueryRefund {
			return p.askRefund(c.OutRefundNo, s.Faults(), s.now())
		}
		if short = p.balanceShort(c, s.Faults()); short {
			return nil // refused, and counted
		}
		return p.refund(c, s.Faults(), s.now())
	})
	switch {
	case err != nil:
		return sandbox.Reply{}, err
	case short:
		return sandbox.Reply{}, balanceShort()
	}
	reply := sandbox.Reply{OutTradeNo: c.OutTradeNo, OutRefundNo: c.OutRefundNo, State: string(payment.RefundNotFound)}
	if r := p.findRefund(c.OutRefundNo); r != nil {
		reply.State, reply.Amount, reply.Currency = string(r.State), r.Amount, p.Currency
		reply.DoneAt, reply.Reason, reply.TradeNo = r.DoneAt, r.Reason, p.TradeNo
	}
	return reply, nil
}

func (s *Simulator) replyPayment(p Payment) sandbox.Reply {
	return sandbox.Reply{
		OutTradeNo: p.OutTradeNo, State: string(p.StateAt(s.now())),
		TradeNo: p.TradeNo, Amount: p.Amount, Currency: p.Currency, PaidAt: p.PaidAt,
	}
}

// readSigned reads a JSON body that the merchant signed.
func (s *Simulator) readSigned(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, sandbox.MaxBody))
	if err != nil {
		return &refused{http.StatusRequestEntityTooLarge, "BAD_REQUEST", "the body cannot be read or is larger than 64 KiB"}
	}
	if err := sandbox.Verify(s.secret, r.Header, body, s.now()); err != nil {
		return &refused{http.StatusUnauthorized, "BAD_SIGNATURE", err.Error()}
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return &refused{http.StatusBadRequest, "BAD_REQUEST", "the body is not what this call takes: " + err.Error()}
	}
	return nil
}

// refuse answers with a signed refusal, or with 500 when the fault is ours.
func (s *Simulator) refuse(w http.ResponseWriter, err error) {
	var no *refused
	if errors.As(err, &no) {
		s.answerSigned(w, no.status, sandbox.Reply{Code: no.code, Message: no.message})
		return
	}
	s.log.Error("sandbox channel", zap.Error(err))
	http.Error(w, "the sandbox channel has failed: see its log", http.StatusInternalServerError)
}

func (s *Simulator) answerSigned(w http.ResponseWriter, status int, answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		s.refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set(sandbox.SignatureHeader, sandbox.Sign(s.secret, body, s.now()))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller that has gone asks again
}
