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
    FROM attempts a WHERE a.disposition = 'mismatch' AND a.paid_amount > 0;
