package paymenttest

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/payment"
)

func testNotice(t *testing.T, s suite) {
	s.run(t, "of a payment says what the channel says when asked", func(t *testing.T, h Harness) {
		p := h.paid(t)
		n := h.parse(t, h.Notice(t, p.OutTradeNo))
		require.Equal(t, payment.PaymentSucceeded, n.Type)
		require.Equal(t, p.OutTradeNo, n.OutTradeNo)
		require.NotEmpty(t, n.EventID)
		require.Equal(t, h.Features.CompleteNotices, n.Complete)
		if n.Complete {
			require.True(t, p.PaidAt.Equal(n.Payment.PaidAt), "%v and %v", p.PaidAt, n.Payment.PaidAt)
			n.Payment.PaidAt = p.PaidAt
			require.Equal(t, p, n.Payment)
		}
	})
	s.run(t, "sent again is the same event", func(t *testing.T, h Harness) {
		p := h.paid(t)
		first := h.parse(t, h.Notice(t, p.OutTradeNo))
		require.Equal(t, first, h.parse(t, h.Again(t, p.OutTradeNo)))
	})
	s.run(t, "of another payment is another event", func(t *testing.T, h Harness) {
		one, other := h.paid(t), h.paid(t)
		require.NotEqual(t, h.parse(t, h.Notice(t, one.OutTradeNo)).EventID, h.parse(t, h.Notice(t, other.OutTradeNo)).EventID)
	})
	for _, how := range []Forgery{Unsigned, Tampered, Stranger, Stale, Oversized} {
		s.run(t, string(how)+" is refused", func(t *testing.T, h Harness) {
			if how == Stale && h.Features.UndatedNotices {
				t.Skip("this channel's callbacks carry no time")
			}
			genuine := h.Notice(t, h.paid(t).OutTradeNo)
			h.parse(t, genuine)
			forged := h.Forge(t, genuine, how)
			n, err := h.Channel.ParseNotice(forged.Header, forged.Body, h.Now())
			require.Error(t, err)
			require.Equal(t, payment.Auth, payment.ClassOf(err), "%v", err)
			require.Zero(t, n, "nothing of it may be kept")
		})
	}
	s.run(t, "of nothing at all is refused", func(t *testing.T, h Harness) {
		_, err := h.Channel.ParseNotice(http.Header{}, nil, h.Now())
		require.Equal(t, payment.Auth, payment.ClassOf(err), "%v", err)
	})
	s.run(t, "is answered as taken, or as to come again without saying why", func(t *testing.T, h Harness) {
		taken := h.Channel.Ack(nil)
		require.Equal(t, 2, taken.Status/100)
		for _, err := range []error{errors.New("pq: connection to db-7 refused"), payment.Errorf(payment.Auth, "notice", "key 4711")} {
			again := h.Channel.Ack(err)
			require.NotEqual(t, taken, again)
			require.NotContains(t, string(again.Body), "db-7")
			require.NotContains(t, string(again.Body), "4711")
		}
	})
}

func (h Harness) parse(t *testing.T, raw Raw) payment.Notice {
	t.Helper()
	n, err := h.Channel.ParseNotice(raw.Header, raw.Body, h.Now())
	require.NoError(t, err)
	return n
}
