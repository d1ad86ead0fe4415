-- Endpoints' secrets are kept sealed, each until it expires, newest first:
-- [{"sealed": "v1.<key id>.<base64>", "public_key"?, "expires_at"?}]. What the
-- release before wrote, and may still write, stands plain in "secrets" until
-- `orderflow secrets reseal` seals it.
ALTER TABLE endpoints
    ADD COLUMN sealed_secrets jsonb NOT NULL DEFAULT '[]',
    ALTER COLUMN secrets SET DEFAULT '{}';
