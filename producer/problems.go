package producer

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/orderflow/orderflow/internal/once"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

// kind is one type of problem: its status, its title, and what whoever meets
// it should do.
type kind struct {
	name   api.ProblemType
	status int
	title  string
	next   string
}

// kinds lists every type of problem. The OpenAPI document shows it.
func kinds() []kind {
	return []kind{
		{api.Malformed, 400, "The body cannot be read", "Send one JSON value, in UTF-8, without duplicate names."},
		{api.Unauthenticated, 401, "No valid key", "Send Authorization: Bearer <key>."},
		{api.Forbidden, 403, "Not with this key", "Use a key whose role may make this call."},
		{api.NotFound, 404, "Not there", "Check the identifier. What your key may not see is not there for it."},
		{api.MethodNotAllowed, 405, "Not with this method", "Use a method that the Allow header names."},
		{api.NotAcceptable, 406, "Answers are JSON", "Send Accept: application/json, or no Accept at all."},
		{api.TooSlow, 408, "The body took too long", "Send the request again."},
		{api.OutOfStock, 409, "Out of stock", "Order less, or later. Nothing was made."},
		{api.NumberTaken, 409, "merchant_order_no is taken", "This merchant has another order of this number. Look it up, or take another number."},
		{api.NotAllowed, 409, "Not where the order stands", "Read the order, then decide again. Nothing was changed."},
		{api.KeyReused, 409, "Idempotency-Key was used before", "The key came with another request. Take a fresh key for each new request."},
		{api.RecoveryRunning, 409, "The endpoint has a recovery already", "Wait for the end of the recovery that recovery_id names, or cancel it."},
		{api.TooLarge, 413, "The body is too large", "Send at most 1 MiB (64 KiB for a channel's callback)."},
		{api.NotJSON, 415, "The body is not JSON", "Send Content-Type: application/json."},
		{api.Invalid, 422, "Something in the request is wrong", "Put right what errors lists, then send it again."},
		{api.TooSoon, 429, "Not so often", "Wait as long as Retry-After says, then send the same request again."},
		{api.Internal, 500, "Our fault", "It is not certain whether it was done. Send the same request with the same Idempotency-Key again, or look first. If it stays, quote instance to the operators."},
		{api.Unavailable, 503, "Not just now", "Wait as long as Retry-After says, then send the same request with the same Idempotency-Key again."},
		{api.Overloaded, 503, "Too many orders just now", "No order was made by this request. Wait as long as Retry-After says, then send it again with the same Idempotency-Key."},
	}
}

// problem is a Problem on its way out, with the headers that go with it.
type problem struct {
	api.Problem
	header http.Header
}

// GetStatus, with the two below, is how huma writes it.
func (p *problem) GetStatus() int { return p.Status }

// GetHeaders are those that go with it.
func (p *problem) GetHeaders() http.Header { return p.header }

// ContentType is the same whatever was asked for.
func (p *problem) ContentType(string) string { return "application/problem+json" }

func (p *problem) with(name, value string) *problem {
	p.header = http.Header{}
	p.header.Set(name, value)
	return p
}

func (p *problem) wrong(list []api.FieldError) *problem {
	p.Errors = tidied(list)
	return p
}

// of says which request it is about.
func (p *problem) of(c *call) *problem {
	p.Instance = instanceOf(c.id)
	return p
}

// fault is a problem of one type. Without a detail of its own it says what
// every problem of the type says.
func fault(name api.ProblemType, detail string) *problem {
	list := kinds()
	i := slices.IndexFunc(list, func(k kind) bool { return k.name == name })
	k := list[i]
	p := &problem{Problem: api.Problem{Type: k.name, Title: k.title, Status: k.status, Detail: cmp.Or(detail, k.next)}}
	if name == api.Unavailable {
		return p.with("Retry-After", "1")
	}
	return p
}

func invalid(location, message string) *problem {
	return fault(api.Invalid, "").wrong([]api.FieldError{{Location: location, Message: message}})
}

// problem says what an error means to the caller. What is not known here is
// our own fault: it goes into the log, and the caller reads nothing of it.
func (c *call) problem(err error) *problem { return c.judge(err).of(c) }

func (c *call) judge(err error) *problem {
	var (
		p       *problem
		faults  order.Invalid
		refusal *order.Refusal
		out     *order.OutOfStock
		running *merchant.UnderwayError
	)
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &faults):
		return fault(api.Invalid, "").wrong(inBody(faults))
	case errors.As(err, &refusal):
		p = fault(api.NotAllowed, sentence(refusal.Error()))
		p.OrderStatus = string(refusal.Status)
		return p
	case errors.As(err, &out):
		p = fault(api.OutOfStock, sentence(out.Error()))
		p.SKU, p.Available = out.SKU, &out.Available
		return p
	case errors.As(err, &running):
		p = fault(api.RecoveryRunning, "")
		p.RecoveryID = running.Recovery.String()
		return p
	case errors.Is(err, order.ErrNotFound):
		return fault(api.NotFound, "")
	case errors.Is(err, order.ErrNumberTaken):
		return fault(api.NumberTaken, "")
	case errors.Is(err, once.ErrReused):
		return fault(api.KeyReused, "")
	}
	c.err = err
	if passes(err) {
		return fault(api.Unavailable, "")
	}
	return fault(api.Internal, "")
}

// passes says whether trouble of ours is likely to be over soon.
func passes(err error) bool {
	for _, passing := range []error{order.ErrBusy, context.DeadlineExceeded, context.Canceled, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed} {
		if errors.Is(err, passing) {
			return true
		}
	}
	var broken net.Error
	var unsent interface{ SafeToRetry() bool }
	var refused interface{ SQLState() string }
	switch {
	case errors.As(err, &refused): // classes of SQL: the database goes down, is full, lost us
		class := refused.SQLState()[:min(2, len(refused.SQLState()))]
		return class == "57" || class == "53" || class == "08"
	case errors.As(err, &unsent) && unsent.SafeToRetry():
		return true
	}
	return errors.As(err, &broken)
}

// refuse answers with a problem where huma does not.
func (c *call) refuse(w http.ResponseWriter, p *problem) {
	h := w.Header()
	for k, v := range p.header {
		h[k] = v
	}
	h.Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(render(p.of(c)), '\n')) // a caller who has gone away is not told
}

// sentence begins with a capital letter and ends with a full stop. s begins with a
// word: an id or a name must stay as it is.
func sentence(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + strings.TrimRight(s[size:], ".") + "."
}
