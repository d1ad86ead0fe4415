-- Whether an endpoint refuses what we have not signed, as far as is known, and
-- since when that is known.
ALTER TABLE endpoints ADD COLUMN verifies text NOT NULL DEFAULT 'unknown', ADD COLUMN verified_at timestamptz;
-- Those that there are are asked within the week.
INSERT INTO outbox (kind, subject, due_at, created_at)
    SELECT 'endpoint:verify', id, now() + random() * interval '7 days', now() FROM endpoints;
