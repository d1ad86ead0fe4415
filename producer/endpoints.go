package producer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/internal/seal"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

type createEndpointInput struct {
	MerchantPath
	Body api.NewEndpoint
}

type endpointOutput struct{ Body api.Endpoint }

// createEndpoint makes an endpoint with a fresh secret, which is shown in this
// answer and never again. It takes no Idempotency-Key: to give the answer
// again, the secret would have to be kept in it.
func (s *server) createEndpoint(ctx context.Context, in *createEndpointInput) (*endpointOutput, error) {
	if err := callOf(ctx).sees(in.ID); err != nil {
		return nil, err
	}
	b := in.Body
	e, err := s.wanted(api.EndpointChange{URL: b.URL, Events: b.Events, Ack: b.Ack, RetrySchedule: b.RetrySchedule})
	if err != nil {
		return nil, err
	}
	secret := merchant.NewSecretFor(merchant.Scheme(b.Signature))
	e.ID, e.MerchantID, e.CreatedAt = ident.New[merchant.Endpoint](), in.ID, s.now()
	e.Secrets, e.PublicKey = []string{secret}, merchant.PublicKey(secret)
	if err := s.opt.Admin.CreateEndpoint(ctx, e); err != nil {
		return nil, withoutKey(err)
	}
	return shown(e, secret), nil
}

// withoutKey tells a caller what only operators can mend.
func withoutKey(err error) error {
	if errors.Is(err, seal.ErrNoKey) {
		return &order.Refusal{Step: "keep a secret", Why: "this installation has no key to encrypt it with: its operators set ORDERFLOW_SECRETS_KEYS"}
	}
	return err
}

type changeEndpointInput struct {
	EndpointPath
	Body api.EndpointChange
}

// changeEndpoint gives an endpoint all that is in the body: without events it is
// told of all. Its secrets stay.
func (s *server) changeEndpoint(ctx context.Context, in *changeEndpointInput) (*endpointOutput, error) {
	id, err := in.endpointID(callOf(ctx))
	if err != nil {
		return nil, err
	}
	e, err := s.wanted(in.Body)
	if err != nil {
		return nil, err
	}
	e.ID, e.MerchantID = id, in.ID
	if err := s.opt.Admin.ChangeEndpoint(ctx, e, s.now()); err != nil {
		return nil, err
	}
	if e, err = s.endpoint(ctx, in.ID, id); err != nil {
		return nil, err
	}
	return &endpointOutput{endpointView(e)}, nil
}

// wanted is the endpoint that a caller describes, if it can be one.
func (s *server) wanted(e api.EndpointChange) (merchant.Endpoint, error) {
	var wrong []api.FieldError
	if err := merchant.CheckURL(e.URL, s.opt.AllowInsecureEndpoints); err != nil {
		wrong = append(wrong, api.FieldError{Location: "body.url", Message: err.Error()})
	}
	known := merchant.Subscriptions()
	for i, t := range e.Events {
		if !slices.Contains(known, t) {
			wrong = append(wrong, api.FieldError{Location: fmt.Sprintf("body.events[%d]", i), Message: "want one of: " + strings.Join(known, ", ")})
		}
	}
	schedule := merchant.ScheduleOf(e.RetrySchedule)
	if err := merchant.CheckSchedule(schedule); err != nil {
		wrong = append(wrong, api.FieldError{Location: "body.retry_schedule", Message: err.Error()})
	}
	if len(wrong) > 0 {
		return merchant.Endpoint{}, fault(api.Invalid, "").wrong(wrong)
	}
	return merchant.Endpoint{URL: e.URL, Events: e.Events, Ack: merchant.AckMode(e.Ack), Schedule: schedule}, nil
}

type endpointsOutput struct{ Body api.EndpointList }

func (s *server) listEndpoints(ctx context.Context, in *MerchantPath) (*endpointsOutput, error) {
	list, err := s.endpoints(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &endpointsOutput{api.EndpointList{Endpoints: make([]api.Endpoint, len(list))}}
	for i, e := range list {
		out.Body.Endpoints[i] = endpointView(e)
	}
	return out, nil
}

func (s *server) endpoints(ctx context.Context, merchantID string) ([]merchant.Endpoint, error) {
	if err := callOf(ctx).sees(merchantID); err != nil {
		return nil, err
	}
	list, err := s.opt.Admin.Endpoints(ctx, merchantID)
	if err == nil && len(list) == 0 {
		err = s.thereIs(ctx, merchantID)
	}
	return list, err
}

// thereIs is order.ErrNotFound when there is no such merchant: an empty list would
// say that all is well with one whose name is mistyped.
func (s *server) thereIs(ctx context.Context, merchantID string) error {
	_, err := s.opt.Admin.Merchant(ctx, merchantID)
	return err
}

// EndpointPath names an endpoint of a merchant.
type EndpointPath struct {
	MerchantPath
	Endpoint string `path:"endpoint" maxLength:"36" doc:"An endpoint's id."`
}

// endpointID reads the endpoint of a path, if the caller may see its merchant.
func (in *EndpointPath) endpointID(c *call) (id merchant.EndpointID, err error) {
	if err := c.sees(in.ID); err != nil {
		return id, err
	}
	if id, err = ident.Parse[merchant.Endpoint](in.Endpoint); err != nil {
		return id, order.ErrNotFound
	}
	return id, nil
}

type rotateInput struct {
	EndpointPath
	Body *api.NewSecret
}

// rotateEndpoint gives an endpoint a new secret. The ones before go on signing
// for a while, so that the merchant can change over. Like createEndpoint it
// takes no Idempotency-Key.
func (s *server) rotateEndpoint(ctx context.Context, in *rotateInput) (*endpointOutput, error) {
	id, err := in.endpointID(callOf(ctx))
	if err != nil {
		return nil, err
	}
	before, err := s.endpoint(ctx, in.ID, id)
	if err != nil {
		return nil, err
	}
	r, err := in.rotation(before.Scheme(), s.now())
	if err != nil {
		return nil, err
	}
	if err := s.opt.Admin.RotateEndpoint(ctx, in.ID, id, r); err != nil {
		return nil, withoutKey(err)
	}
	before.PublicKey = merchant.PublicKey(r.Secret)
	out := shown(before, r.Secret)
	if r.Overlap > 0 {
		out.Body.PreviousUntil = utc(r.At.Add(r.Overlap))
	}
	return out, nil
}

// rotation is what was asked for, with what is usual where nothing was said.
func (in *rotateInput) rotation(before merchant.Scheme, now time.Time) (merchant.Rotation, error) {
	var want api.NewSecret
	if in.Body != nil {
		want = *in.Body
	}
	scheme := cmp.Or(merchant.Scheme(want.Signature), before)
	r := merchant.Rotation{Secret: want.Secret, Overlap: merchant.DefaultOverlap, At: now}
	if r.Secret == "" {
		r.Secret = merchant.NewSecretFor(scheme)
	}
	if want.OverlapSeconds != nil {
		r.Overlap = time.Duration(*want.OverlapSeconds) * time.Second
	}
	if err := r.Check(); err != nil {
		return r, invalid("body.secret", err.Error())
	}
	if want.Signature != "" && merchant.SchemeOf(r.Secret) != scheme {
		return r, invalid("body.signature", "the secret that was given signs otherwise: leave one of the two out")
	}
	return r, nil
}

func (s *server) pauseEndpoint(ctx context.Context, in *EndpointPath) (*endpointOutput, error) {
	return s.setPaused(ctx, in, true)
}

func (s *server) resumeEndpoint(ctx context.Context, in *EndpointPath) (*endpointOutput, error) {
	return s.setPaused(ctx, in, false)
}

func (s *server) setPaused(ctx context.Context, in *EndpointPath, paused bool) (*endpointOutput, error) {
	id, err := in.endpointID(callOf(ctx))
	if err != nil {
		return nil, err
	}
	if err := s.opt.Admin.PauseEndpoint(ctx, in.ID, id, paused, s.now()); err != nil {
		return nil, err
	}
	e, err := s.endpoint(ctx, in.ID, id)
	if err != nil {
		return nil, err
	}
	return &endpointOutput{endpointView(e)}, nil
}

func (s *server) deleteEndpoint(ctx context.Context, in *EndpointPath) (*struct{}, error) {
	id, err := in.endpointID(callOf(ctx))
	if err != nil {
		return nil, err
	}
	return nil, s.opt.Admin.DeleteEndpoint(ctx, in.ID, id, s.now())
}

// endpoint shows one endpoint as it is now, without its secrets.
func (s *server) endpoint(ctx context.Context, merchantID string, id merchant.EndpointID) (merchant.Endpoint, error) {
	list, err := s.endpoints(ctx, merchantID)
	if err != nil {
		return merchant.Endpoint{}, err
	}
	i := slices.IndexFunc(list, func(e merchant.Endpoint) bool { return e.ID == id })
	if i < 0 {
		return merchant.Endpoint{}, order.ErrNotFound
	}
	return list[i], nil
}

// shown is an endpoint with its newest secret, if it is one to be shared: of a
// key pair the private half stays here.
func shown(e merchant.Endpoint, secret string) *endpointOutput {
	out := &endpointOutput{endpointView(e)}
	if merchant.SchemeOf(secret) == merchant.V1 {
		out.Body.Secret = secret
	}
	return out
}

func endpointView(e merchant.Endpoint) api.Endpoint {
	return api.Endpoint{
		ID: e.ID.String(), MerchantID: e.MerchantID, URL: e.URL, Events: e.Events, Paused: e.Paused, CreatedAt: utc(e.CreatedAt),
		Signature: string(e.Scheme()), PublicKey: e.PublicKey, Ack: string(cmp.Or(e.Ack, merchant.Ack2xx)), RetrySchedule: e.Schedule.Seconds(),
		State: string(cmp.Or(e.Health.State, merchant.Healthy)), Since: utc(e.Health.Since), LastError: e.Health.LastError,
		Verifies: string(cmp.Or(e.Verifies, merchant.NotKnown)), VerifiedAt: utc(e.VerifiedAt),
	}
}
