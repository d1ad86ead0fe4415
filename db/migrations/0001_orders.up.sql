-- Identifiers of one order's parts share the order's first 15 bytes: the parts
-- of an order are found by a range of the primary key, without another index.

CREATE TABLE merchants (
    id         text PRIMARY KEY,
    name       text        NOT NULL DEFAULT '',
    fee_bps    integer     NOT NULL DEFAULT 0 CHECK (fee_bps BETWEEN 0 AND 10000),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Keys of the API: the secret is shown once and kept as its SHA-256.
CREATE TABLE api_keys (
    hash        bytea PRIMARY KEY,
    name        text        NOT NULL,
    role        text        NOT NULL CHECK (role IN ('app', 'merchant', 'operator')),
    merchant_id text REFERENCES merchants (id),
    created_at  timestamptz NOT NULL DEFAULT now(),
    revoked_at  timestamptz,
    CHECK ((role = 'merchant') = (merchant_id IS NOT NULL))
);

CREATE TABLE endpoints (
    id          uuid PRIMARY KEY,
    merchant_id text        NOT NULL REFERENCES merchants (id),
    url         text        NOT NULL,
    events      text[]      NOT NULL DEFAULT '{}', -- empty: all
    secrets     text[]      NOT NULL,              -- newest first
    paused      boolean     NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX endpoints_merchant ON endpoints (merchant_id);

CREATE TABLE orders (
    id                uuid PRIMARY KEY,
    merchant_id       text        NOT NULL,
    buyer_id          text        NOT NULL,
    merchant_order_no text,
    currency          text        NOT NULL,
    amount            bigint      NOT NULL CHECK (amount > 0),
    fee_bps           integer     NOT NULL,
    status            text        NOT NULL,
    hold              text        NOT NULL DEFAULT '',
    version           integer     NOT NULL,
    items             jsonb       NOT NULL,
    metadata          jsonb,
    delivery          jsonb,
    created_at        timestamptz NOT NULL,
    expire_at         timestamptz NOT NULL,
    paid_at           timestamptz,
    closed_at         timestamptz,
    delivered_at      timestamptz,
    completed_at      timestamptz
) WITH (fillfactor = 80);
CREATE INDEX orders_merchant ON orders (merchant_id, id);
CREATE INDEX orders_buyer ON orders (buyer_id, id);
CREATE UNIQUE INDEX orders_merchant_order_no ON orders (merchant_id, merchant_order_no) WHERE merchant_order_no IS NOT NULL;

CREATE TABLE attempts (
    id            uuid PRIMARY KEY,
    channel       text        NOT NULL,
    status        text        NOT NULL,
    disposition   text        NOT NULL DEFAULT '',
    amount        bigint      NOT NULL,
    currency      text        NOT NULL,
    expire_at     timestamptz NOT NULL,
    created_at    timestamptz NOT NULL,
    trade_no      text        NOT NULL DEFAULT '',
    paid_amount   bigint      NOT NULL DEFAULT 0,
    paid_currency text        NOT NULL DEFAULT '',
    paid_at       timestamptz,
    reason        text        NOT NULL DEFAULT ''
) WITH (fillfactor = 80);

CREATE TABLE refunds (
    id         uuid PRIMARY KEY,
    attempt_id uuid        NOT NULL,
    status     text        NOT NULL,
    amount     bigint      NOT NULL CHECK (amount > 0),
    reason     text        NOT NULL,
    created_at timestamptz NOT NULL,
    done_at    timestamptz
) WITH (fillfactor = 80);

CREATE TABLE order_events (
    order_id uuid        NOT NULL,
    seq      integer     NOT NULL,
    type     text        NOT NULL,
    status   text        NOT NULL,
    actor    text        NOT NULL,
    at       timestamptz NOT NULL,
    detail   jsonb       NOT NULL,
    PRIMARY KEY (order_id, seq)
);

CREATE TABLE stock (
    merchant_id text   NOT NULL,
    sku         text   NOT NULL,
    on_hand     bigint NOT NULL CHECK (on_hand >= 0),
    held        bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (merchant_id, sku),
    CONSTRAINT never_oversold CHECK (held <= on_hand)
) WITH (fillfactor = 50);

CREATE TABLE stock_moves (
    order_id uuid        NOT NULL,
    sku      text        NOT NULL,
    kind     text        NOT NULL CHECK (kind IN ('hold', 'release', 'consume', 'restock')),
    quantity bigint      NOT NULL CHECK (quantity > 0),
    at       timestamptz NOT NULL,
    PRIMARY KEY (order_id, sku, kind)
);

-- A posting moves its amount from one account to another, so the ledger sums
-- to zero by its shape. Rows are only ever added.
CREATE TABLE ledger_postings (
    order_id uuid        NOT NULL,
    seq      integer     NOT NULL, -- of the event it belongs to
    line     smallint    NOT NULL,
    debit    text        NOT NULL,
    credit   text        NOT NULL,
    amount   bigint      NOT NULL CHECK (amount > 0),
    currency text        NOT NULL,
    at       timestamptz NOT NULL,
    PRIMARY KEY (order_id, seq, line),
    CHECK (debit <> credit)
);

-- Every verified callback, once.
CREATE TABLE inbox (
    channel      text        NOT NULL,
    event_id     text        NOT NULL,
    out_trade_no text        NOT NULL,
    body         bytea       NOT NULL,
    received_at  timestamptz NOT NULL,
    PRIMARY KEY (channel, event_id)
);

-- What is owed: one live row per (kind, subject), written with what made it
-- necessary and deleted with what fulfilled it.
CREATE TABLE outbox (
    kind        text        NOT NULL,
    subject     uuid        NOT NULL,
    payload     bytea,
    due_at      timestamptz NOT NULL,
    promoted_at timestamptz, -- handed to asynq at this time
    generation  integer     NOT NULL DEFAULT 0,
    attempts    integer     NOT NULL DEFAULT 0,
    last_error  text        NOT NULL DEFAULT '',
    dead_at     timestamptz,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (kind, subject)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX outbox_due ON outbox (due_at) WHERE promoted_at IS NULL AND dead_at IS NULL;
CREATE INDEX outbox_promoted ON outbox (due_at) WHERE promoted_at IS NOT NULL AND dead_at IS NULL;
CREATE INDEX outbox_dead ON outbox (dead_at) WHERE dead_at IS NOT NULL;

-- What a merchant is told: the bytes are kept and sent the same on every try.
CREATE TABLE notices (
    id          uuid PRIMARY KEY, -- the webhook-id
    merchant_id text        NOT NULL,
    type        text        NOT NULL,
    body        bytea       NOT NULL,
    created_at  timestamptz NOT NULL
);

CREATE TABLE notice_attempts (
    notice_id   uuid        NOT NULL,
    endpoint_id uuid        NOT NULL,
    at          timestamptz NOT NULL,
    ok          boolean     NOT NULL,
    http_status integer     NOT NULL, -- 0: no answer
    duration_ms integer     NOT NULL,
    error       text        NOT NULL DEFAULT '',
    PRIMARY KEY (notice_id, endpoint_id, at)
);

-- The answer to a POST with an Idempotency-Key, so that the same request again
-- gets the same answer.
CREATE TABLE idempotency_keys (
    scope        text        NOT NULL, -- whose key it is
    key          text        NOT NULL,
    request_hash bytea       NOT NULL,
    status       integer     NOT NULL,
    answer       bytea       NOT NULL,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (scope, key)
);
