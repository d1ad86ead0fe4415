// Package producer is the door: the HTTP API through which upstream apps,
// merchants, operators and payment channels reach Orderflow.
//
// The door decides nothing about orders. It finds out who is calling and
// whether they may (gate.go), turns new orders away when there is too much to do
// (shed.go), reads what they ask (json.go and the shapes of
// producer/api), hands it to the order and the store as one change, and says
// what became of it: an answer, or a problem with a stable type (problems.go).
// No channel is called before the change that allows it is committed.
//
// routes.go lists every call with who may make it; start reading there.
package producer

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/internal/access"
	"github.com/orderflow/orderflow/internal/once"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/producer/api"
	"github.com/orderflow/orderflow/tasks"
)

// Store changes and shows orders. A change and all that follows from it are
// one commit.
type Store interface {
	// Create writes a new order. *order.OutOfStock, order.ErrNumberTaken,
	// *once.Replay, once.ErrReused and order.ErrBusy say that nothing was written.
	Create(ctx context.Context, o *order.Order, req *once.Request) error
	// Update changes one order: fn runs in memory while the row is locked,
	// perhaps twice. Errors: those of fn and of Create, order.ErrNotFound.
	Update(ctx context.Context, id order.ID, req *once.Request, fn func(*order.Order) error) error
	// Receive keeps a verified callback; one that came before is nil as well.
	Receive(ctx context.Context, channel string, n payment.Notice, body []byte, at time.Time) error

	Order(ctx context.Context, id order.ID) (*order.Order, error)
	Orders(ctx context.Context, f order.Filter) ([]*order.Order, error)
	Events(ctx context.Context, id order.ID) ([]order.Event, error)
}

// Admin is what operators and merchants keep in order. What is not there is
// order.ErrNotFound.
type Admin interface {
	Merchant(ctx context.Context, id string) (merchant.Merchant, error)
	PutMerchant(ctx context.Context, m merchant.Merchant) (merchant.Merchant, error)

	SetStock(ctx context.Context, merchantID, sku string, onHand int64, by order.Actor) (order.Stock, error)
	Stock(ctx context.Context, merchantID, sku string) (order.Stock, error)

	// CreateEndpoint and RotateEndpoint return seal.ErrNoKey when the secret
	// cannot be sealed. Endpoints come without their secrets.
	CreateEndpoint(ctx context.Context, e merchant.Endpoint) error
	Endpoints(ctx context.Context, merchantID string) ([]merchant.Endpoint, error)
	// SigningEndpoint comes with the secrets that sign at a time, or with an error
	// of seal when they do not open.
	SigningEndpoint(ctx context.Context, merchantID string, id merchant.EndpointID, now time.Time) (merchant.Endpoint, error)
	// ChangeEndpoint gives an endpoint all that EndpointChange has.
	ChangeEndpoint(ctx context.Context, e merchant.Endpoint, now time.Time) error
	RotateEndpoint(ctx context.Context, merchantID string, id merchant.EndpointID, r merchant.Rotation) error
	PauseEndpoint(ctx context.Context, merchantID string, id merchant.EndpointID, paused bool, now time.Time) error
	DeleteEndpoint(ctx context.Context, merchantID string, id merchant.EndpointID, now time.Time) error

	// NoticeRecords and AttemptLog are pages, newest first.
	NoticeRecords(ctx context.Context, f merchant.NoticeFilter) ([]merchant.NoticeRecord, error)
	NoticeRecord(ctx context.Context, id string) (merchant.NoticeRecord, error)
	AttemptLog(ctx context.Context, f merchant.AttemptFilter) ([]merchant.Attempt, error)
	// NoticeAttempts are all attempts of a notice, without what was answered, and
	// NoticeDeliveries for whom it waits.
	NoticeAttempts(ctx context.Context, id string) ([]merchant.Attempt, error)
	NoticeDeliveries(ctx context.Context, id string) ([]merchant.Delivery, error)
	// Undelivered is a page of what an endpoint has yet to acknowledge, what has
	// waited longest first; Acknowledge notes that the merchant has fetched some of
	// it, and says how much of that was new.
	Undelivered(ctx context.Context, f merchant.UndeliveredFilter) ([]merchant.Undelivered, error)
	Acknowledge(ctx context.Context, merchantID string, id merchant.EndpointID, notices []string, now time.Time) (int, error)
	// StartRecovery has an endpoint told once more what it should have heard;
	// order.Invalid when that cannot be, *merchant.UnderwayError when it has one
	// already, order.ErrNotAllowed when it is disabled. CancelRecovery ends it.
	StartRecovery(ctx context.Context, r merchant.Recovery, now time.Time) (merchant.Recovery, error)
	Recovery(ctx context.Context, id merchant.RecoveryID) (merchant.Recovery, error)
	Recoveries(ctx context.Context, merchantID string, before merchant.RecoveryID, limit int) ([]merchant.Recovery, error)
	CancelRecovery(ctx context.Context, id merchant.RecoveryID, now time.Time) error
	// Resend has a notice told once more, to one endpoint or, when that is zero, to
	// all that subscribe to it, and returns what waits for them.
	Resend(ctx context.Context, id string, to merchant.EndpointID, now time.Time) ([]merchant.Delivery, error)

	Tasks(ctx context.Context, f tasks.Filter) ([]tasks.Row, error)
	// Requeue notes on the timeline of the task's order, if it has one, who
	// wanted it and why.
	Requeue(ctx context.Context, key tasks.Key, by order.Actor, why string, now time.Time) error
}

// Guard finds who is calling.
type Guard interface {
	Authenticate(ctx context.Context, r *http.Request) (access.Principal, error)
}

// Sender sends a notice to an endpoint, once: *merchant.Notifier.
type Sender interface {
	Send(ctx context.Context, e merchant.Endpoint, n merchant.Notice) merchant.Attempt
}

// Intake says whether an order that comes now is refused because there is too
// much to do, and how long its caller should wait: *intake.Limiter.
type Intake interface {
	Refuse() (after time.Duration, refused bool)
}

// Options are what the door needs.
type Options struct {
	Store    Store
	Admin    Admin
	Guard    Guard
	Channels payment.Registry
	Sender   Sender // of tests; no endpoint can be tested when nil
	Intake   Intake // every order is let in when nil
	// PublicURL is where channels reach this door; their callbacks go to
	// PublicURL + "/v1/channels/{name}/callbacks".
	PublicURL string
	// AllowInsecureEndpoints lets merchants' endpoints be http and on loopback.
	AllowInsecureEndpoints bool
	BodyTime               time.Duration    // how long a body may take to come in; 10 s when zero
	Now                    func() time.Time // time.Now when nil
	Log                    *zap.Logger      // nothing is logged when nil

	// Requested is told of each request, by the pattern it matched, CalledBack of
	// each callback of a channel that there is. May be nil.
	Requested  func(route, method string, status int, took time.Duration)
	CalledBack func(channel, verdict string)
}

// server is the door with what it needs.
type server struct {
	opt       Options
	merchants *merchants
	probes    *probes
	allowed   *http.CrossOriginProtection
	mux       *http.ServeMux
	api       huma.API
	openapi   []byte

	eventTypes []api.EventType // the catalogue, made once
}

// New makes the door. It answers every path: mount what else there is before
// it.
func New(opt Options) (http.Handler, error) {
	if opt.Store == nil || opt.Admin == nil || opt.Guard == nil {
		return nil, errors.New("producer: Store, Admin and Guard must be set")
	}
	s := newServer(opt)
	s.mux.Handle("GET /openapi.json", s.page(http.HandlerFunc(s.serveOpenAPI)))
	s.mux.Handle("GET /docs", s.page(http.HandlerFunc(serveDocs)))
	s.mux.Handle("GET /docs/{file}", s.page(http.HandlerFunc(serveDocsFile)))
	nothing := s.page(http.HandlerFunc(s.serveNothing))
	s.mux.Handle("/", nothing)
	return s.shed(s.observed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !tidy(r.URL) {
			nothing.ServeHTTP(w, r)
			return
		}
		s.mux.ServeHTTP(w, r)
	}))), nil
}

func newServer(opt Options) *server {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.BodyTime == 0 {
		opt.BodyTime = 10 * time.Second
	}
	if opt.Log == nil {
		opt.Log = zap.NewNop()
	}
	if opt.Requested == nil {
		opt.Requested = func(string, string, int, time.Duration) {}
	}
	if opt.CalledBack == nil {
		opt.CalledBack = func(string, string) {}
	}
	opt.PublicURL = strings.TrimRight(opt.PublicURL, "/")
	s := &server{
		opt:       opt,
		merchants: newMerchants(opt.Admin, opt.Now),
		probes:    &probes{last: map[merchant.EndpointID]time.Time{}},
		allowed:   http.NewCrossOriginProtection(),
		mux:       http.NewServeMux(),

		eventTypes: EventTypes(),
	}
	s.api = newAPI(s.mux)
	for _, r := range routes() {
		r.add(s, r)
	}
	s.openapi = document(s.api)
	return s
}

// OpenAPI is the description of the API in OpenAPI 3.1, as /openapi.json
// serves it.
func OpenAPI() []byte { return newServer(Options{}).openapi }

// now is the time as the database can keep it, so that an answer and a later
// look at the same thing agree.
func (s *server) now() time.Time { return s.opt.Now().UTC().Truncate(time.Microsecond) }
