-- What the reverse trade needs to know: how long a merchant may take, when an
-- order was called off, and how a refund ended that the channel could not make.

ALTER TABLE merchants
    ADD COLUMN deliver_within integer NOT NULL DEFAULT 0 CHECK (deliver_within >= 0), -- seconds; 0: the usual time
    ADD COLUMN revoke_within  integer NOT NULL DEFAULT 0 CHECK (revoke_within >= 0);

ALTER TABLE orders
    ADD COLUMN deliver_within integer NOT NULL DEFAULT 172800, -- seconds
    ADD COLUMN revoke_within  integer NOT NULL DEFAULT 86400,
    ADD COLUMN cancel_at      timestamptz;
-- Operators list what is held: hardly any order is.
CREATE INDEX orders_held ON orders (id) WHERE hold <> '';

ALTER TABLE refunds
    ADD COLUMN problem text NOT NULL DEFAULT '',
    ADD COLUMN voucher text NOT NULL DEFAULT '';

-- Deliveries that were begun before are given the usual time from now on.
UPDATE orders SET delivery = delivery || jsonb_build_object('deliver_by', to_char(date_trunc('second', now() AT TIME ZONE 'UTC') + interval '48 hours', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
    WHERE status IN ('paid', 'delivering');
INSERT INTO outbox (kind, subject, due_at, created_at)
    SELECT 'delivery:deadline', overlay(id::text PLACING '80' FROM 35)::uuid, date_trunc('second', now()) + interval '48 hours', now()
    FROM orders WHERE status IN ('paid', 'delivering');
INSERT INTO outbox (kind, subject, due_at, created_at)
    SELECT 'payment:return', a.id, now() + interval '30 minutes', now()
    FROM attempts a WHERE a.disposition = 'mismatch' AND a.paid_amount > 0
        AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.attempt_id = a.id AND r.status NOT IN ('closed', 'canceled'));

-- A hold is lifted by what is done about its cause. Where no money came with a
-- mismatch there is none: nobody could lift it.
UPDATE orders o SET hold = CASE WHEN EXISTS (SELECT 1 FROM refunds r WHERE r.status = 'abnormal' AND r.id > o.id
        AND r.id <= overlay(o.id::text PLACING 'ff' FROM 35)::uuid) THEN 'refund_abnormal' ELSE '' END
    WHERE hold = 'payment_mismatch' AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.disposition = 'mismatch' AND a.paid_amount > 0
        AND a.id > o.id AND a.id <= overlay(o.id::text PLACING 'ff' FROM 35)::uuid);

-- Where the way back was taken and regretted, deliveries that had been called
-- off still wait for an answer, and merchants who had not heard are told.
INSERT INTO outbox (kind, subject, due_at, created_at)
    SELECT 'delivery:revoke', overlay(id::text PLACING '80' FROM 35)::uuid, greatest((delivery->>'revoke_by')::timestamptz, now()), now()
    FROM orders WHERE status = 'returning'
    UNION ALL SELECT 'merchant:notify', n.id, now(), now()
    FROM orders o JOIN notices n ON n.id = overlay(o.id::text PLACING '81' FROM 35)::uuid
    WHERE o.status = 'returning' AND NOT EXISTS (SELECT 1 FROM notice_attempts t WHERE t.notice_id = n.id AND t.ok);
