package producer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/orderflow/orderflow/internal/ident"
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
	if err := s.checkEndpoint(in.Body); err != nil {
		return nil, err
	}
	e := merchant.Endpoint{
		ID: ident.New[merchant.Endpoint](), MerchantID: in.ID, URL: in.Body.URL, Events: in.Body.Events,
		Secrets: []string{merchant.NewSecret()}, CreatedAt: s.now(),
	}
	if err := s.opt.Admin.CreateEndpoint(ctx, e); err != nil {
		return nil, err
	}
	return shown(e), nil
}

type changeEndpointInput struct {
	EndpointPath
	Body api.NewEndpoint
}

// changeEndpoint gives an endpoint the URL and the subscriptions of the body:
// without events it is told of all. Its secret stays.
func (s *server) changeEndpoint(ctx context.Context, in *changeEndpointInput) (*endpointOutput, error) {
	id, err := in.endpointID(callOf(ctx))
	if err != nil {
		return nil, err
	}
	if err := s.checkEndpoint(in.Body); err != nil {
		return nil, err
	}
	if err := s.opt.Admin.ChangeEndpoint(ctx, merchant.Endpoint{ID: id, MerchantID: in.ID, URL: in.Body.URL, Events: in.Body.Events}); err != nil {
		return nil, err
	}
	return s.endpoint(ctx, in.ID, id)
}

func (s *server) checkEndpoint(e api.NewEndpoint) error {
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
	if len(wrong) > 0 {
		return fault(api.Invalid, "").wrong(wrong)
	}
	return nil
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
	return s.opt.Admin.Endpoints(ctx, merchantID)
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

// rotateEndpoint gives an endpoint a new secret. The ones before go on signing
// for a while, so that the merchant can change over.
func (s *server) rotateEndpoint(ctx context.Context, in *EndpointPath) (*endpointOutput, error) {
	id, err := in.endpointID(callOf(ctx))
	if err != nil {
		return nil, err
	}
	secret := merchant.NewSecret()
	if err := s.opt.Admin.RotateEndpoint(ctx, in.ID, id, secret); err != nil {
		return nil, err
	}
	out, err := s.endpoint(ctx, in.ID, id)
	if err != nil {
		return nil, err
	}
	out.Body.Secret = secret
	return out, nil
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
	if err := s.opt.Admin.PauseEndpoint(ctx, in.ID, id, paused); err != nil {
		return nil, err
	}
	return s.endpoint(ctx, in.ID, id)
}

func (s *server) deleteEndpoint(ctx context.Context, in *EndpointPath) (*struct{}, error) {
	id, err := in.endpointID(callOf(ctx))
	if err != nil {
		return nil, err
	}
	return nil, s.opt.Admin.DeleteEndpoint(ctx, in.ID, id)
}

// endpoint shows one endpoint as it is now, without its secrets.
func (s *server) endpoint(ctx context.Context, merchantID string, id merchant.EndpointID) (*endpointOutput, error) {
	list, err := s.endpoints(ctx, merchantID)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(e merchant.Endpoint) bool { return e.ID == id })
	if i < 0 {
		return nil, order.ErrNotFound
	}
	return &endpointOutput{endpointView(list[i])}, nil
}

// shown is an endpoint with its newest secret.
func shown(e merchant.Endpoint) *endpointOutput {
	out := &endpointOutput{endpointView(e)}
	out.Body.Secret = e.Secrets[0]
	return out
}

func endpointView(e merchant.Endpoint) api.Endpoint {
	return api.Endpoint{
		ID: e.ID.String(), MerchantID: e.MerchantID, URL: e.URL, Events: e.Events, Paused: e.Paused, CreatedAt: utc(e.CreatedAt),
	}
}
