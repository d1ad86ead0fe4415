package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

func deskOf(n int) string { return fmt.Sprintf("/%d", n) }

// tries are the log of a notice at an endpoint.
type tries struct {
	taken int       // how often, but by fetching
	last  time.Time // the latest, whatever came of it
}

const (
	// underway is how long an attempt may take, with what comes of it: one that had
	// begun so long before counts as what was asked for.
	underway = time.Minute
	// onTheWay is how long an attempt may be about to begin.
	onTheWay = 3 * time.Second
)

// asked looks whether what was asked for once more was told, nothing was told more
// often than that, and what was acknowledged was told no more.
func (j *judgement) asked(h *history, o *order.Order) {
	list := j.due(o)
	for n, events := range h.shop.desks {
		at, e := heard{deskOf(n), ""}, merchant.Endpoint{Events: events}
		for id, d := range list {
			at.id = id
			log, recoveries := j.tries[heard{h.shop.ends[n].String(), id}], j.recovered[h.shop.ends[n]]
			resends := slices.DeleteFunc(slices.Clone(h.shop.resends), func(r resend) bool { return r.notice != id || r.desk >= 0 && r.desk != n })
			if most := 1 + len(resends) + len(recoveries) + j.requeued[id]; log.taken > most {
				j.find(h, "%s has taken notice %s %d times; it was asked for %d times", at.desk, id, log.taken, most)
			}
			acked, called := h.acked[at], h.called[at]
			for _, r := range resends {
				if r.sure && d.certain && e.Subscribes(d.eventType) && log.last.Before(r.at.Add(-underway)) && acked.Before(r.at) {
					j.find(h, "%s was not told of notice %s once more, as was asked at %s", at.desk, id, r.at.Sub(j.began))
				}
			}
			for _, r := range recoveries {
				covers := r.All && r.State == merchant.RecoveryDone && !j.written[id].Before(r.Since) && j.written[id].Before(r.Until)
				if covers && d.certain && e.Subscribes(d.eventType) && log.last.Before(r.CreatedAt.Add(-underway)) && acked.Before(r.CreatedAt) {
					j.find(h, "%s was not told of notice %s once more by the recovery of %s", at.desk, id, r.CreatedAt.Sub(j.began))
				}
			}
			once := slices.ContainsFunc(resends, func(r resend) bool { return !called.Before(r.at) && !r.done.Before(acked) }) ||
				slices.ContainsFunc(recoveries, func(r merchant.Recovery) bool {
					return r.All && !called.Before(r.CreatedAt) && !r.EndedAt.Before(acked)
				})
			if !acked.IsZero() && called.After(acked.Add(onTheWay)) && !once {
				j.find(h, "%s was told of notice %s at %s, which it had acknowledged at %s", at.desk, id, called.Sub(j.began), acked.Sub(j.began))
			}
		}
	}
}

// ended looks whether each recovery has come to its end.
func (j *judgement) ended() {
	for _, list := range j.recovered {
		for _, r := range list {
			if r.State == merchant.RecoveryRunning || r.Waiting > 0 || r.Dropped() < 0 || r.State == merchant.RecoveryDone && r.Checked != r.Total {
				j.find(nil, "recovery %s of %s is %s: of %d %d checked, %d queued, %d delivered, %d failed, %d waiting", r.ID, r.MerchantID, r.State, r.Total, r.Checked, r.Queued, r.Delivered, r.Failed, r.Waiting)
			}
			if r.Actor != "operator:operator" {
				j.find(nil, "recovery %s was asked for by %q", r.ID, r.Actor)
			}
		}
	}
}

// lists looks whether anything is left to be fetched but what is about held orders.
func (j *judgement) lists() {
	held := map[string]bool{}
	for _, o := range j.orders {
		held[o.ID.String()[:34]] = o.Hold != ""
	}
	for _, s := range j.shops {
		for n, id := range s.ends {
			list, err := j.books.Undelivered(j.ctx, merchant.UndeliveredFilter{MerchantID: s.id, Endpoint: id, Limit: 200})
			require.NoError(j, err)
			for _, u := range list {
				if !held[u.ID[:34]] {
					j.find(j.whose(u.ID), "%s of %s has yet to acknowledge notice %s: %s %s", deskOf(n), s.id, u.ID, u.Reason, u.LastError)
				}
			}
		}
	}
}

// readTries reads the log of notices, when they were written, and the recoveries.
func (j *judgement) readTries() {
	j.tries, j.written, j.recovered = map[heard]tries{}, map[string]time.Time{}, map[merchant.EndpointID][]merchant.Recovery{}
	var log []struct {
		NoticeID, EndpointID string
		Taken                int
		Last                 time.Time
	}
	require.NoError(j, j.books.NewRaw(`SELECT notice_id::text, endpoint_id::text, count(*) FILTER (WHERE ok AND pulled IS NOT TRUE) AS taken, max(at) AS last FROM notice_attempts GROUP BY 1, 2`).Scan(j.ctx, &log))
	for _, t := range log {
		j.tries[heard{t.EndpointID, t.NoticeID}] = tries{t.Taken, t.Last}
	}
	var notices []struct {
		ID        string
		CreatedAt time.Time
	}
	require.NoError(j, j.books.NewRaw(`SELECT id::text, created_at FROM notices`).Scan(j.ctx, &notices))
	for _, n := range notices {
		j.written[n.ID] = n.CreatedAt
	}
	for _, s := range j.shops {
		list, err := j.books.Recoveries(j.ctx, s.id, merchant.RecoveryID{}, 200)
		require.NoError(j, err)
		for _, r := range list {
			j.recovered[r.EndpointID] = append(j.recovered[r.EndpointID], r)
		}
	}
}

// end ends a recovery as if all of it had been told.
func (w *world) end(ctx context.Context, id merchant.RecoveryID, now time.Time) error {
	_, err := w.books.ExecContext(ctx, "UPDATE recoveries SET state = 'done', checked = total, ended_at = ? WHERE id = ? AND state = 'running'", now, id)
	return err
}
