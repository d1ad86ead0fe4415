package producer

import (
	"context"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

type recoverEndpointInput struct {
	EndpointPath
	Body api.NewRecovery
}

type recoveryOutput struct{ Body api.Recovery }

// recoverEndpoint begins to tell an endpoint once more what it should have heard.
// An endpoint has one recovery at a time, so that asking twice does no harm.
func (s *server) recoverEndpoint(ctx context.Context, in *recoverEndpointInput) (*recoveryOutput, error) {
	id, err := in.endpointID(callOf(ctx))
	if err != nil {
		return nil, err
	}
	r, err := s.opt.Admin.StartRecovery(ctx, merchant.Recovery{
		ID: ident.New[merchant.Recovery](), MerchantID: in.ID, EndpointID: id, Since: in.Body.Since.UTC(), Until: in.Body.Until.UTC(), All: in.Body.All,
		Actor: callOf(ctx).principal.Actor(),
	}, s.now())
	if err != nil {
		return nil, err
	}
	return &recoveryOutput{RecoveryView(r)}, nil
}

// RecoveryPath names a recovery.
type RecoveryPath struct {
	Recovery string `path:"recovery" maxLength:"36" doc:"A recovery's id."`
}

// recovery reads the recovery of a path, if the caller may see it.
func (s *server) recovery(ctx context.Context, in *RecoveryPath) (r merchant.Recovery, err error) {
	id, err := ident.Parse[merchant.Recovery](in.Recovery)
	if err != nil {
		return r, order.ErrNotFound
	}
	if r, err = s.opt.Admin.Recovery(ctx, id); err != nil {
		return r, err
	}
	return r, callOf(ctx).sees(r.MerchantID)
}

func (s *server) getRecovery(ctx context.Context, in *RecoveryPath) (*recoveryOutput, error) {
	r, err := s.recovery(ctx, in)
	if err != nil {
		return nil, err
	}
	return &recoveryOutput{RecoveryView(r)}, nil
}

func (s *server) cancelRecovery(ctx context.Context, in *RecoveryPath) (*recoveryOutput, error) {
	r, err := s.recovery(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := s.opt.Admin.CancelRecovery(ctx, r.ID, s.now()); err != nil {
		return nil, err
	}
	return s.getRecovery(ctx, in)
}

type listRecoveriesInput struct {
	MerchantPath
	Limit  int    `query:"limit" minimum:"1" maximum:"199" default:"50"`
	Cursor string `query:"cursor" maxLength:"64" doc:"next_cursor of the page before."`
}

type recoveriesOutput struct{ Body api.RecoveryPage }

func (s *server) listRecoveries(ctx context.Context, in *listRecoveriesInput) (*recoveriesOutput, error) {
	if err := callOf(ctx).sees(in.ID); err != nil {
		return nil, err
	}
	before, err := readCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	list, err := s.opt.Admin.Recoveries(ctx, in.ID, ident.As[merchant.Recovery](before), in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &recoveriesOutput{api.RecoveryPage{Recoveries: []api.Recovery{}}}
	if len(list) > in.Limit {
		list = list[:in.Limit]
		out.Body.NextCursor = cursor(ident.As[order.Order](list[in.Limit-1].ID))
	}
	for _, r := range list {
		out.Body.Recoveries = append(out.Body.Recoveries, RecoveryView(r))
	}
	return out, nil
}

// RecoveryView is a recovery as it is shown.
func RecoveryView(r merchant.Recovery) api.Recovery {
	v := api.Recovery{
		ID: r.ID.String(), MerchantID: r.MerchantID, EndpointID: r.EndpointID.String(), State: string(r.State), Since: utc(r.Since), Until: utc(r.Until), All: r.All, Actor: string(r.Actor), Reason: string(r.Reason),
		Checked: r.Checked, Queued: r.Queued, Delivered: r.Delivered, Waiting: r.Waiting, Failed: r.Failed, Dropped: r.Dropped(), CreatedAt: utc(r.CreatedAt), EndedAt: utc(r.EndedAt),
	}
	if r.Total >= 0 {
		v.Total = &r.Total
	}
	return v
}
