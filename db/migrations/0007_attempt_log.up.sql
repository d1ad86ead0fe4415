-- Why a try to tell a merchant failed, and where its time went. What there is
-- nothing of is NULL.
ALTER TABLE notice_attempts
    ADD COLUMN first_byte_us integer, -- from the beginning until the answer began
    ADD COLUMN remote        text,    -- whom we connected to, or tried to: address:port
    ADD COLUMN answer        bytea,   -- its body as it came, at most 16 KiB
    ADD COLUMN dns_us        integer, -- this and the next two: of a new connection
    ADD COLUMN connect_us    integer,
    ADD COLUMN tls_us        integer,
    ADD COLUMN headers       jsonb,   -- of an answer that was no acknowledgement
    ADD COLUMN truncated     boolean; -- there was more of the body

-- A merchant's notices, newest first.
CREATE INDEX notices_merchant ON notices (merchant_id, created_at);

ALTER TABLE endpoints
    ADD COLUMN ack            text NOT NULL DEFAULT '2xx', -- the answer that acknowledges: 2xx, success, code-success
    ADD COLUMN retry_schedule integer[];                   -- waits between tries, seconds; NULL: the usual
