-- What is told once more because somebody asked for it: one notice (resend), or
-- all of a time (recoveries). Decision 0016.
CREATE TABLE recoveries (
    id          uuid        PRIMARY KEY,
    merchant_id text        COLLATE "C" NOT NULL,
    endpoint_id uuid        NOT NULL,
    since       timestamptz NOT NULL,           -- of notices written then or later
    until       timestamptz NOT NULL,           -- and before
    everything  boolean     NOT NULL,           -- also what the endpoint has taken
    state       text        NOT NULL,           -- running, done, cancelled
    total       bigint      NOT NULL DEFAULT 0, -- notices of that time; -1: too many to count at once
    checked     bigint      NOT NULL DEFAULT 0, -- of these, how many were looked at
    queued      bigint      NOT NULL DEFAULT 0, -- of these, how many became deliveries
    delivered   bigint      NOT NULL DEFAULT 0,
    failed      bigint      NOT NULL DEFAULT 0,
    at          timestamptz NOT NULL,           -- the last one looked at: when it was written
    at_id       uuid        NOT NULL,           -- and its id
    walked      boolean     NOT NULL DEFAULT false, -- there is none after it
    created_at  timestamptz NOT NULL,
    moved_at    timestamptz NOT NULL,           -- when something last became of it
    ended_at    timestamptz
);
CREATE UNIQUE INDEX recoveries_running ON recoveries (endpoint_id) WHERE state = 'running';
CREATE INDEX recoveries_merchant ON recoveries (merchant_id, id);

ALTER TABLE deliveries
    ADD COLUMN recovery_id uuid,                           -- it goes behind all others, and is counted there
    ADD COLUMN asked       boolean NOT NULL DEFAULT false; -- it waits only because somebody asked for it: the endpoint may have taken it

-- Each delivery is in one of the first two indexes. The release before finds its
-- way without them while both run; it has no recoveries.
CREATE INDEX deliveries_usual ON deliveries (endpoint_id, due_at) WHERE recovery_id IS NULL;
CREATE INDEX deliveries_recovered ON deliveries (endpoint_id, due_at) WHERE recovery_id IS NOT NULL;
CREATE INDEX deliveries_recovery ON deliveries (recovery_id) WHERE recovery_id IS NOT NULL;
DROP INDEX deliveries_due;

-- That the merchant fetched a notice himself is an attempt without a call.
ALTER TABLE notice_attempts ADD COLUMN pulled boolean;
