-- The release before would tell what was taken already, and take it for its own.
DELETE FROM deliveries WHERE asked;
DELETE FROM outbox WHERE kind = 'endpoint:recover';
CREATE INDEX deliveries_due ON deliveries (endpoint_id, due_at);
DROP INDEX deliveries_usual, deliveries_recovered;
ALTER TABLE deliveries
    DROP COLUMN recovery_id,
    DROP COLUMN asked;
ALTER TABLE notice_attempts DROP COLUMN pulled;
DROP TABLE recoveries;
