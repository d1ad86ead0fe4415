-- What an endpoint has yet to acknowledge. What it acknowledges at the first go
-- never comes here. Decision 0015.
CREATE TABLE deliveries (
    notice_id   uuid        NOT NULL,
    endpoint_id uuid        NOT NULL,
    type        text        NOT NULL,               -- the notice's
    due_at      timestamptz NOT NULL,               -- of one in flight: when it is taken for lost
    in_flight   boolean     NOT NULL DEFAULT false,
    generation  integer     NOT NULL DEFAULT 0,     -- of claims: an attempt settles its own
    attempts    integer     NOT NULL DEFAULT 0,     -- that failed, and count
    reason      text        NOT NULL,               -- why it waits: queued, retry, throttled
    last_error  text        NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (notice_id, endpoint_id)
) WITH (fillfactor = 70);
CREATE INDEX deliveries_due ON deliveries (endpoint_id, due_at);
CREATE INDEX deliveries_in_flight ON deliveries (endpoint_id, due_at) WHERE in_flight;

-- How an endpoint does.
ALTER TABLE endpoints ADD COLUMN health jsonb NOT NULL DEFAULT '{}';
