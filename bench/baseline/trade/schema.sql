-- The tables of both baselines: the same rows and the same indexes for an
-- order, whichever queue carries its work.

CREATE TABLE orders (
    id           bigserial PRIMARY KEY,
    merchant_id  bigint      NOT NULL,
    out_trade_no text        NOT NULL,
    amount       bigint      NOT NULL,
    currency     text        NOT NULL,
    state        text        NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'paid', 'delivered', 'closed')),
    notify_url   text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL DEFAULT now() + interval '15 minutes',
    paid_at      timestamptz,
    delivered_at timestamptz,
    UNIQUE (merchant_id, out_trade_no)
);
CREATE INDEX orders_pending_expires ON orders (expires_at) WHERE state = 'pending';

CREATE TABLE order_items (
    id       bigserial PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES orders (id),
    sku      text   NOT NULL,
    qty      int    NOT NULL,
    price    bigint NOT NULL
);
CREATE INDEX order_items_order ON order_items (order_id);

CREATE TABLE payments (
    id         bigserial PRIMARY KEY,
    order_id   bigint      NOT NULL REFERENCES orders (id),
    txn_id     text        NOT NULL UNIQUE,
    channel    text        NOT NULL,
    amount     bigint      NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX payments_order ON payments (order_id);

CREATE TABLE order_events (
    id         bigserial PRIMARY KEY,
    order_id   bigint      NOT NULL REFERENCES orders (id),
    from_state text        NOT NULL,
    to_state   text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX order_events_order ON order_events (order_id);

CREATE TABLE delivery_attempts (
    id          bigserial PRIMARY KEY,
    order_id    bigint      NOT NULL REFERENCES orders (id),
    attempt     int         NOT NULL,
    status      int         NOT NULL,
    duration_ms int         NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX delivery_attempts_order ON delivery_attempts (order_id);
