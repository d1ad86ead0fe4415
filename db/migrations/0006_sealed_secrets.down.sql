-- The release before cannot open what is sealed: endpoints whose secrets are
-- sealed have none after this, and need new ones.
ALTER TABLE endpoints
    ALTER COLUMN secrets DROP DEFAULT,
    DROP COLUMN sealed_secrets;
