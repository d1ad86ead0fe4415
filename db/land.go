package db

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/tasks"
)

// Land writes what became of attempts to tell endpoints of deliveries: the log,
// what is left of each delivery, how the endpoint does, and what its merchant and
// the operators are to hear of that. tasks.ErrGone says that the delivery was
// not waiting any more, or somebody else has claimed it since.
func (s *Store) Land(ctx context.Context, list ...tasks.Landing) []error {
	return s.landings.submit(ctx, col(list, func(l tasks.Landing) *tasks.Landing { return &l })...)
}

// landing is a batch of them in the making.
type landing struct {
	*writes
	window    int // the widest
	endpoints map[merchant.EndpointID]*merchant.Endpoint
	live      map[waiting]merchant.Delivery
	over      []merchant.Delivery // to be deleted
	told      []merchant.Delivery // of these, what was taken that somebody had asked for
	put       []merchant.Delivery // changed
	unwanted  []merchant.Delivery // over, of orders that the endpoint wants to hear of no more: others may
	met       map[merchant.EndpointID]bool
	cancelled map[waiting]bool // whose recovery is
	recovered map[merchant.RecoveryID]recovered
	news      []endpointNews
}

// waiting is the key of a delivery.
type waiting struct {
	notice   string
	endpoint merchant.EndpointID
}

// recovered is how much of a recovery has come to its end.
type recovered struct{ delivered, failed int64 }

// endpointNews is what became of an endpoint, and how it was then.
type endpointNews struct {
	is   merchant.Endpoint
	news string
}

func (s *Store) landBatch(ctx context.Context, conn *pgxpool.Conn, list []*tasks.Landing) ([]error, []tasks.Key, error) {
	b := &pgx.Batch{}
	b.Queue("BEGIN")
	l := &landing{
		window: s.opt.EndpointWindow, endpoints: queueEndpoints(b, list), met: map[merchant.EndpointID]bool{},
		cancelled: map[waiting]bool{}, recovered: map[merchant.RecoveryID]recovered{},
	}
	l.live = queueWaiting(b, list, l.cancelled)
	if err := exec(ctx, conn, b); err != nil {
		return nil, nil, err
	}
	l.writes = s.writes()
	answers := make([]error, len(list))
	for i, one := range list {
		answers[i] = l.land(one)
	}
	if err := l.announce(ctx, conn); err != nil {
		return nil, nil, err
	}
	b = &pgx.Batch{}
	l.queueBacklog(b)
	l.queue(b)
	queueTaken(b, col(l.told, func(d merchant.Delivery) string { return d.NoticeID }))
	b.Queue("COMMIT")
	if err := exec(ctx, conn, b); err != nil {
		return nil, nil, fmt.Errorf("write what became of deliveries: %w", err)
	}
	return answers, l.due, nil
}

func (l *landing) land(one *tasks.Landing) error {
	id := one.Delivery.EndpointID
	if one.Ring {
		l.ring(id, l.now)
	}
	var state merchant.State
	var schedule merchant.Schedule
	if e := l.endpoints[id]; e != nil && !one.Moot {
		state, schedule = e.Health.State, e.Schedule
		l.see(e, one.Sight)
	}
	key := waiting{one.Delivery.NoticeID, id}
	d, there := l.live[key]
	switch {
	case one.Sight.Leaving:
		return nil
	case one.Moot:
		if there {
			if d.Type == merchant.OrderPaid && !d.Asked {
				l.unwanted = append(l.unwanted, d)
			}
			l.end(d)
		}
		return nil
	}
	l.log(one)
	mine := d.InFlight && d.Generation == one.Delivery.Generation
	if !there || !mine && !one.Sight.OK { // told is told, whoever else is at it
		return tasks.ErrGone
	}
	d, fate := d.After(one.Sight.Attempt, schedule, state, l.now, rand.Float64())
	l.count(d, fate)
	switch fate {
	case merchant.Again:
		if d.Asked && l.cancelled[key] { // it was let finish, and that is all
			l.end(d)
			return nil
		}
		l.live[key] = d
		l.put = append(l.put, d)
	case merchant.Dead:
		if !d.Asked { // what was asked for once more ends there: it is in the log, and whatever was dead is dead still
			l.bury(d)
		}
		l.end(d)
	case merchant.Told:
		if d.Asked {
			l.told = append(l.told, d)
		}
		l.end(d)
	default:
		l.end(d)
	}
	return nil
}

// see notes what was seen of an endpoint.
func (l *landing) see(e *merchant.Endpoint, s merchant.Sight) {
	var news string
	if e.Health, news = e.Health.After(s, l.now); news != "" {
		l.news = append(l.news, endpointNews{*e, news})
	}
	e.Health = e.Health.Within(l.window)
	l.met[e.ID] = true
}

// log keeps an attempt. One that we cut short ourselves says nothing about the
// merchant.
func (l *landing) log(one *tasks.Landing) {
	id, err := uuid.Parse(one.Delivery.NoticeID)
	if err == nil && one.Sight.Class() != merchant.Stopped {
		l.tries = append(l.tries, tryRow{tasks.Subject(id), one.Sight.Attempt})
	}
}

// count counts what has come to its end for its recovery, if it is part of one.
func (l *landing) count(d merchant.Delivery, fate merchant.Fate) {
	if d.Recovery.IsZero() {
		return
	}
	n := l.recovered[d.Recovery]
	switch fate {
	case merchant.Told:
		n.delivered++
	case merchant.Gone, merchant.Dead:
		n.failed++
	default:
		return
	}
	l.recovered[d.Recovery] = n
}

func (l *landing) end(d merchant.Delivery) {
	delete(l.live, waiting{d.NoticeID, d.EndpointID})
	l.over = append(l.over, d)
}

// bury leaves the notice to an operator: as a dead task, like one that nobody
// could be told. Requeued, it goes to those endpoints that were not told and that
// it does not wait for.
func (l *landing) bury(d merchant.Delivery) {
	key, err := tasks.NotifyKey(d.NoticeID, d.Type)
	if err != nil {
		return // its id was a uuid in the table
	}
	row := tasks.Row{Key: key, DueAt: l.now, DeadAt: l.now, Attempts: d.Attempts, LastError: d.LastError, CreatedAt: l.now}
	l.buried = append(l.buried, row)
	if m, rings := tasks.Trouble(row, l.now); rings {
		l.owe(m)
	}
}

// announce tells merchants what became of their endpoints, where one of theirs
// wants to hear of it, and whoever is on duty.
func (l *landing) announce(ctx context.Context, conn *pgxpool.Conn) error {
	if len(l.news) == 0 {
		return nil
	}
	merchants := col(l.news, func(n endpointNews) string { return n.is.MerchantID })
	slices.Sort(merchants)
	subscribed, err := subscriptionsOf(ctx, conn, slices.Compact(merchants))
	if err != nil {
		return err
	}
	for _, n := range l.news {
		if m, rings := tasks.EndpointAlert(n.is, n.news, l.now); rings {
			l.owe(m)
		}
		if !subscribed.take(n.is.MerchantID, n.news) {
			continue
		}
		var waits int64
		err := conn.QueryRow(ctx, `SELECT count(*) FROM (SELECT FROM deliveries WHERE endpoint_id = $1 LIMIT $2) x`, [16]byte(n.is.ID), waitingMost).Scan(&waits)
		if err != nil {
			return fmt.Errorf("count what waits for endpoint %s: %w", n.is.ID, err)
		}
		id := ident.New[merchant.Notice]()
		l.notices = append(l.notices, merchant.EndpointNotice(id.String(), n.is, n.news, waits, l.now))
		l.owe(tasks.Message{Key: tasks.About(tasks.MerchantNotify, id), Due: l.now})
	}
	return nil
}

// waitingMost bounds what is counted for a notice.
const waitingMost = 100_000

// queueEndpoints locks the endpoints, so that what is seen of one is noted in turn.
func queueEndpoints(b *pgx.Batch, list []*tasks.Landing) map[merchant.EndpointID]*merchant.Endpoint {
	found := map[merchant.EndpointID]*merchant.Endpoint{}
	ids := map[[16]byte]bool{}
	var distinct [][16]byte
	for _, l := range list {
		if id := [16]byte(l.Delivery.EndpointID); !ids[id] {
			ids[id] = true
			distinct = append(distinct, id)
		}
	}
	b.Queue(`SELECT e.id, e.merchant_id, e.url, e.retry_schedule, e.health FROM endpoints e JOIN unnest($1::uuid[]) AS v (id) ON v.id = e.id
		ORDER BY e.id FOR NO KEY UPDATE OF e`, distinct).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var (
				e       merchant.Endpoint
				health  healthModel
				seconds []int64
			)
			if err := rows.Scan(&e.ID, &e.MerchantID, &e.URL, &seconds, &health); err != nil {
				return err
			}
			e.Schedule, e.Health = merchant.ScheduleOf(seconds), merchant.Health(health)
			found[e.ID] = &e
		}
		return rows.Err()
	})
	return found
}

// queueWaiting locks the deliveries that still wait, and notes those whose recovery
// was cancelled.
func queueWaiting(b *pgx.Batch, list []*tasks.Landing, cancelled map[waiting]bool) map[waiting]merchant.Delivery {
	live := map[waiting]merchant.Delivery{}
	b.Queue(`SELECT d.notice_id, d.endpoint_id, d.type, d.due_at, d.in_flight, d.generation, d.attempts, d.reason, d.last_error, d.created_at, d.recovery_id, d.asked,
			CASE WHEN d.recovery_id IS NULL THEN false ELSE EXISTS (SELECT FROM recoveries r WHERE r.id = d.recovery_id AND r.state = 'cancelled') END
		FROM deliveries d JOIN unnest($1::uuid[], $2::uuid[]) AS v (notice_id, endpoint_id) USING (notice_id, endpoint_id) ORDER BY d.notice_id, d.endpoint_id FOR UPDATE OF d`,
		col(list, func(l *tasks.Landing) string { return l.Delivery.NoticeID }), col(list, func(l *tasks.Landing) [16]byte { return l.Delivery.EndpointID }),
	).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var (
				m   deliveryModel
				off bool
			)
			if err := rows.Scan(&m.NoticeID, &m.EndpointID, &m.Type, &m.DueAt, &m.InFlight, &m.Generation, &m.Attempts, &m.Reason, &m.LastError, &m.CreatedAt, &m.RecoveryID, &m.Asked, &off); err != nil {
				return err
			}
			key := waiting{m.NoticeID.String(), m.EndpointID}
			live[key], cancelled[key] = m.delivery(), off
		}
		return rows.Err()
	})
	return live
}

// subscribes says in SQL that an endpoint e is told of a type of notice, as
// merchant.Endpoint.Subscribes does.
func subscribes(eventType string) string {
	return `(e.events = '{}' OR EXISTS (SELECT FROM unnest(e.events) AS s WHERE s = ` + eventType + ` OR s LIKE '%.*' AND starts_with(` + eventType + `, left(s, -1))))`
}

// queueTaken takes away the dead tasks of those notices that by now every endpoint
// has taken which is to hear of them: there is nothing left that an operator could
// do. It passes over what somebody else has in hand.
func queueTaken(b *pgx.Batch, notices []string) {
	if len(notices) == 0 {
		return
	}
	b.Queue(`WITH over AS (
			SELECT o.kind, o.subject FROM unnest($1::uuid[]) AS v (id) JOIN notices n USING (id) JOIN outbox o ON o.kind = CASE n.type WHEN $2 THEN $3 ELSE $4 END AND o.subject = n.id
			WHERE o.dead_at IS NOT NULL AND NOT EXISTS (SELECT FROM endpoints e WHERE e.merchant_id = n.merchant_id AND `+subscribes("n.type")+`
				AND NOT EXISTS (SELECT FROM notice_attempts t WHERE t.notice_id = n.id AND t.endpoint_id = e.id AND t.ok))
			FOR UPDATE OF o SKIP LOCKED
		) DELETE FROM outbox o USING over WHERE o.kind = over.kind AND o.subject = over.subject`,
		notices, merchant.OrderPaid, string(tasks.DeliveryNotify), string(tasks.MerchantNotify))
}

// queueBacklog writes what is left of the deliveries, and how the endpoints do.
func (l *landing) queueBacklog(b *pgx.Batch) {
	if list := l.over; len(list) > 0 {
		b.Queue(`DELETE FROM deliveries d USING unnest($1::uuid[], $2::uuid[]) AS v (notice_id, endpoint_id) WHERE d.notice_id = v.notice_id AND d.endpoint_id = v.endpoint_id`,
			col(list, func(d merchant.Delivery) string { return d.NoticeID }), col(list, func(d merchant.Delivery) [16]byte { return d.EndpointID }))
	}
	if list := l.put; len(list) > 0 {
		b.Queue(`UPDATE deliveries d SET due_at = v.due_at, in_flight = v.in_flight, attempts = v.attempts, reason = v.reason, last_error = v.last_error
			FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::boolean[], $5::int[], $6::text[], $7::text[]) AS v (notice_id, endpoint_id, due_at, in_flight, attempts, reason, last_error)
			WHERE d.notice_id = v.notice_id AND d.endpoint_id = v.endpoint_id`,
			col(list, func(d merchant.Delivery) string { return d.NoticeID }), col(list, func(d merchant.Delivery) [16]byte { return d.EndpointID }),
			col(list, func(d merchant.Delivery) time.Time { return d.DueAt }), col(list, func(d merchant.Delivery) bool { return d.InFlight }),
			col(list, func(d merchant.Delivery) int { return d.Attempts }), col(list, func(d merchant.Delivery) string { return string(d.Reason) }),
			col(list, func(d merchant.Delivery) string { return d.LastError }))
	}
	if list := l.unwanted; len(list) > 0 { // as handOn does
		b.Queue(`INSERT INTO outbox (kind, subject, due_at, generation, created_at) SELECT $2, n.id, $3::timestamptz, 1, $3::timestamptz
			FROM unnest($1::uuid[]) AS v (id) JOIN notices n USING (id) ORDER BY n.id ON CONFLICT DO NOTHING`,
			col(list, func(d merchant.Delivery) string { return d.NoticeID }), string(tasks.DeliveryNotify), l.now)
	}
	l.queueRecovered(b)
	if len(l.met) > 0 {
		var ids [][16]byte
		var healths []string
		for id := range l.met {
			ids, healths = append(ids, id), append(healths, text(healthModel(l.endpoints[id].Health)))
		}
		b.Queue(`UPDATE endpoints e SET health = v.health::jsonb FROM unnest($1::uuid[], $2::text[]) AS v (id, health) WHERE e.id = v.id`, ids, healths)
	}
}

// queueRecovered counts for the recoveries what has come to its end. Their rows are
// nobody else's: whoever changes one holds its endpoint.
func (l *landing) queueRecovered(b *pgx.Batch) {
	if len(l.recovered) == 0 {
		return
	}
	var ids [][16]byte
	var delivered, failed []int64
	for id, n := range l.recovered {
		ids, delivered, failed = append(ids, id), append(delivered, n.delivered), append(failed, n.failed)
	}
	b.Queue(`UPDATE recoveries r SET delivered = r.delivered + v.delivered, failed = r.failed + v.failed, moved_at = $4
		FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS v (id, delivered, failed) WHERE r.id = v.id`, ids, delivered, failed, l.now)
}
