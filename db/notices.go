package db

import (
	"context"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

// maxLog is how many attempts of one notice are read. All its endpoints' ladders
// of tries fit in it several times over, so that whoever asks which endpoint
// has been told is not misled by a log that was cut.
const maxLog = 2000

type noticeModel struct {
	bun.BaseModel `bun:"table:notices,alias:n"`

	ID         uuid.UUID `bun:"id,pk"`
	MerchantID string    `bun:"merchant_id"`
	Type       string    `bun:"type"`
	Body       []byte    `bun:"body"`
}

// Notice reads what a merchant is told; order.ErrNotFound when there is no such
// notice.
func (d *DB) Notice(ctx context.Context, id string) (merchant.Notice, error) {
	key, err := noticeID(id)
	if err != nil {
		return merchant.Notice{}, err
	}
	var row noticeModel
	if err := d.NewSelect().Model(&row).Column("id", "merchant_id", "type", "body").Where("id = ?", key).Scan(ctx); err != nil {
		return merchant.Notice{}, wrap(found(err), "notice "+id)
	}
	return merchant.Notice{ID: row.ID.String(), MerchantID: row.MerchantID, Type: row.Type, Body: row.Body}, nil
}

type noticeAttemptModel struct {
	bun.BaseModel `bun:"table:notice_attempts,alias:na"`

	NoticeID    uuid.UUID           `bun:"notice_id,pk"`
	EndpointID  merchant.EndpointID `bun:"endpoint_id,pk"`
	At          time.Time           `bun:"at,pk"`
	OK          bool                `bun:"ok"`
	HTTPStatus  int                 `bun:"http_status"`
	DurationMS  int64               `bun:"duration_ms"`
	Error       string              `bun:"error"`
	FirstByteUS int64               `bun:"first_byte_us"`
	Remote      string              `bun:"remote"`
	Answer      []byte              `bun:"answer"`
	DNSUS       int64               `bun:"dns_us"`
	ConnectUS   int64               `bun:"connect_us"`
	TLSUS       int64               `bun:"tls_us"`
	Headers     answerHeaders       `bun:"headers,type:jsonb"`
	Truncated   bool                `bun:"truncated"`
	Pulled      bool                `bun:"pulled"`
}

// attempt is the try as it was, but for what was read out of its answer: that
// is in the answer.
func (a noticeAttemptModel) attempt() merchant.Attempt {
	us := func(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
	t := merchant.Attempt{
		EndpointID: a.EndpointID, At: a.At.UTC(), OK: a.OK, Pulled: a.Pulled, HTTPStatus: a.HTTPStatus,
		Duration: time.Duration(a.DurationMS) * time.Millisecond, Error: a.Error,
		Timing: merchant.Timing{DNS: us(a.DNSUS), Connect: us(a.ConnectUS), TLS: us(a.TLSUS), FirstByte: us(a.FirstByteUS)},
		Answer: merchant.Answer{Body: a.Answer, Truncated: a.Truncated},
	}
	t.Remote, _ = netip.ParseAddrPort(a.Remote) // none: nobody was reached
	a.Headers.onto(&t.Answer)
	return t
}

// NoticeAttempts reads the log of a notice, the latest 2000 tries, newest first,
// without what was answered: that can be long, and is for people. A notice that
// was not tried yet, or is not there, has none.
func (d *DB) NoticeAttempts(ctx context.Context, id string) ([]merchant.Attempt, error) {
	key, err := noticeID(id)
	if err != nil {
		return nil, err
	}
	var rows []noticeAttemptModel
	err = d.NewSelect().Model(&rows).ExcludeColumn("answer", "headers", "truncated").
		Where("notice_id = ?", key).OrderExpr("at DESC, endpoint_id").Limit(maxLog).Scan(ctx)
	if err != nil {
		return nil, wrap(err, "attempts of notice "+id)
	}
	return col(rows, noticeAttemptModel.attempt), nil
}

// noticeID refuses what no notice can be called.
func noticeID(id string) (uuid.UUID, error) {
	key, err := uuid.Parse(id)
	if err != nil {
		return uuid.UUID{}, wrap(order.ErrNotFound, "notice: its id is a UUID")
	}
	return key, nil
}
