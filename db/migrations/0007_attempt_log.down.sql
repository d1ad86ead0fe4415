-- The release before takes any 2xx for an acknowledgement, and knows one schedule.
ALTER TABLE endpoints
    DROP COLUMN ack,
    DROP COLUMN retry_schedule;
DROP INDEX notices_merchant;
ALTER TABLE notice_attempts
    DROP COLUMN first_byte_us,
    DROP COLUMN remote,
    DROP COLUMN answer,
    DROP COLUMN dns_us,
    DROP COLUMN connect_us,
    DROP COLUMN tls_us,
    DROP COLUMN headers,
    DROP COLUMN truncated;
