DELETE FROM outbox WHERE kind = 'endpoint:verify';
ALTER TABLE endpoints DROP COLUMN verifies, DROP COLUMN verified_at;
