package producer

import (
	"context"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/producer/api"
)

type listUndeliveredInput struct {
	EndpointPath
	After string `query:"after" maxLength:"128" doc:"next_cursor of the page before. What is acknowledged is not listed any more: begin without it each time."`
	Limit int    `query:"limit" minimum:"1" maximum:"199" default:"50"`
}

type undeliveredOutput struct{ Body api.UndeliveredPage }

// listUndelivered is for merchants whom nobody can call: they fetch what they
// should have been told.
func (s *server) listUndelivered(ctx context.Context, in *listUndeliveredInput) (*undeliveredOutput, error) {
	id, err := in.endpointID(callOf(ctx))
	if err != nil {
		return nil, err
	}
	f := merchant.UndeliveredFilter{MerchantID: in.ID, Endpoint: id, Limit: in.Limit + 1}
	if f.After, err = readCursorOf("query.after", in.After); err != nil {
		return nil, err
	}
	list, err := s.opt.Admin.Undelivered(ctx, f)
	if err != nil {
		return nil, err
	}
	out := &undeliveredOutput{api.UndeliveredPage{Notices: []api.Undelivered{}}}
	if len(list) > in.Limit {
		list = list[:in.Limit]
		out.Body.NextCursor = logCursor(list[in.Limit-1].Place())
	}
	for _, u := range list {
		out.Body.Notices = append(out.Body.Notices, api.Undelivered{
			ID: u.ID, Type: u.Type, CreatedAt: utc(u.CreatedAt), WaitsFrom: utc(u.WaitsFrom), Reason: string(u.Reason),
			Attempts: u.Attempts, LastError: u.LastError, Body: u.Body,
		})
	}
	return out, nil
}

type ackUndeliveredInput struct {
	EndpointPath
	Body api.Acknowledge
}

type acknowledgedOutput struct{ Body api.Acknowledged }

// ackUndelivered ends the telling of what a merchant has fetched. Made twice it
// does the same.
func (s *server) ackUndelivered(ctx context.Context, in *ackUndeliveredInput) (*acknowledgedOutput, error) {
	id, err := in.endpointID(callOf(ctx))
	if err != nil {
		return nil, err
	}
	n, err := s.opt.Admin.Acknowledge(ctx, in.ID, id, in.Body.IDs, s.now())
	if err != nil {
		return nil, err
	}
	return &acknowledgedOutput{api.Acknowledged{Acknowledged: n}}, nil
}
