package producer

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

type listNoticesInput struct {
	MerchantPath
	Since    time.Time `query:"since" doc:"Written then or later."`
	Until    time.Time `query:"until" doc:"Written before."`
	Type     string    `query:"type" maxLength:"64" example:"order.paid" doc:"Of this type."`
	State    string    `query:"state" enum:"undelivered,delivered" doc:"undelivered: waiting or dead. With endpoint: not yet taken, or taken, by that one."`
	Order    string    `query:"order" maxLength:"36" doc:"About this order."`
	Endpoint string    `query:"endpoint" maxLength:"36" doc:"Tried at this endpoint, waiting for it, or yet to be told to it."`
	Limit    int       `query:"limit" minimum:"1" maximum:"199" default:"50"`
	Cursor   string    `query:"cursor" maxLength:"128" doc:"next_cursor of the page before."`
}

// filter is what was asked for, and one more to tell whether there is a next
// page.
func (in *listNoticesInput) filter() (f merchant.NoticeFilter, err error) {
	f = merchant.NoticeFilter{
		MerchantID: in.ID, Since: in.Since, Until: in.Until, Type: in.Type,
		Undelivered: in.State == "undelivered", Delivered: in.State == "delivered", Limit: in.Limit + 1,
	}
	if in.Order != "" {
		if f.Order, err = ident.Parse[order.Order](in.Order); err != nil {
			return f, invalid("query.order", "want an order's id")
		}
		f.Order = order.Family(f.Order)
	}
	if in.Endpoint != "" {
		if f.Endpoint, err = ident.Parse[merchant.Endpoint](in.Endpoint); err != nil {
			return f, invalid("query.endpoint", "want an endpoint's id")
		}
	}
	f.Before, err = readLogCursor(in.Cursor)
	return f, err
}

type noticesOutput struct{ Body api.NoticePage }

func (s *server) listNotices(ctx context.Context, in *listNoticesInput) (*noticesOutput, error) {
	if err := callOf(ctx).sees(in.ID); err != nil {
		return nil, err
	}
	f, err := in.filter()
	if err != nil {
		return nil, err
	}
	list, err := s.opt.Admin.NoticeRecords(ctx, f)
	if err == nil && len(list) == 0 {
		err = s.thereIs(ctx, in.ID)
	}
	if err != nil {
		return nil, err
	}
	out := &noticesOutput{api.NoticePage{Notices: []api.Notice{}}}
	if len(list) > in.Limit {
		list = list[:in.Limit]
		out.Body.NextCursor = logCursor(list[in.Limit-1].Place())
	}
	for _, r := range list {
		out.Body.Notices = append(out.Body.Notices, NoticeView(r))
	}
	return out, nil
}

// NoticePath names a notice.
type NoticePath struct {
	Notice string `path:"notice" maxLength:"36" doc:"A notice's id: the webhook-id."`
}

// notice reads the notice of a path, if the caller may see it.
func (s *server) notice(ctx context.Context, in *NoticePath) (merchant.NoticeRecord, error) {
	r, err := s.opt.Admin.NoticeRecord(ctx, in.Notice)
	if err != nil {
		return r, err
	}
	return r, callOf(ctx).sees(r.MerchantID)
}

type noticeOutput struct{ Body api.Notice }

func (s *server) getNotice(ctx context.Context, in *NoticePath) (*noticeOutput, error) {
	r, err := s.notice(ctx, in)
	if err != nil {
		return nil, err
	}
	endpoints, err := s.opt.Admin.Endpoints(ctx, r.MerchantID)
	if err != nil {
		return nil, err
	}
	attempts, err := s.opt.Admin.NoticeAttempts(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	waits, err := s.opt.Admin.NoticeDeliveries(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return &noticeOutput{NoticeDetail(r, endpoints, attempts, waits)}, nil
}

type resendInput struct {
	NoticePath
	Body *api.Resend // may be left out
}

type resentOutput struct{ Body api.Resent }

// resendNotice has a notice told once more. Asked for twice, it waits once.
func (s *server) resendNotice(ctx context.Context, in *resendInput) (*resentOutput, error) {
	r, err := s.notice(ctx, &in.NoticePath)
	if err != nil {
		return nil, err
	}
	var to merchant.EndpointID // zero: all that subscribe to it
	if in.Body != nil && in.Body.EndpointID != "" {
		if to, err = ident.Parse[merchant.Endpoint](in.Body.EndpointID); err != nil {
			return nil, invalid("body.endpoint_id", "want an endpoint's id")
		}
	}
	waits, err := s.opt.Admin.Resend(ctx, r.ID, to, s.now())
	if err != nil {
		return nil, err
	}
	return &resentOutput{ResentView(r.ID, waits)}, nil
}

type listAttemptsInput struct {
	NoticePath
	Limit  int    `query:"limit" minimum:"1" maximum:"199" default:"50"`
	Cursor string `query:"cursor" maxLength:"128" doc:"next_cursor of the page before."`
}

type attemptsOutput struct{ Body api.NoticeAttemptPage }

func (s *server) listAttempts(ctx context.Context, in *listAttemptsInput) (*attemptsOutput, error) {
	r, err := s.notice(ctx, &in.NoticePath)
	if err != nil {
		return nil, err
	}
	f := merchant.AttemptFilter{NoticeID: r.ID, Limit: in.Limit + 1}
	if f.Before, err = readLogCursor(in.Cursor); err != nil {
		return nil, err
	}
	list, err := s.opt.Admin.AttemptLog(ctx, f)
	if err != nil {
		return nil, err
	}
	out := &attemptsOutput{api.NoticeAttemptPage{Attempts: []api.NoticeAttempt{}}}
	if len(list) > in.Limit {
		list = list[:in.Limit]
		out.Body.NextCursor = logCursor(list[in.Limit-1].Place())
	}
	for _, a := range list {
		out.Body.Attempts = append(out.Body.Attempts, AttemptView(r.ID, a))
	}
	return out, nil
}

func logCursor(p merchant.Place) string {
	return base64.RawURLEncoding.EncodeToString([]byte(p.At.UTC().Format(time.RFC3339Nano) + " " + p.ID))
}

func readLogCursor(cursor string) (merchant.Place, error) {
	return readCursorOf("query.cursor", cursor)
}

func readCursorOf(where, cursor string) (p merchant.Place, err error) {
	if cursor == "" {
		return p, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	when, id, _ := strings.Cut(string(text), " ")
	at, badTime := time.Parse(time.RFC3339Nano, when)
	key, badID := uuid.Parse(id)
	if err != nil || badTime != nil || badID != nil {
		return p, invalid(where, "want the next_cursor of an answer, as it was")
	}
	return merchant.Place{At: at, ID: key.String()}, nil
}
