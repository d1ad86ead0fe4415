ALTER TABLE stock_moves ALTER COLUMN sku TYPE text, ALTER COLUMN kind TYPE text;
ALTER TABLE inbox ALTER COLUMN channel TYPE text, ALTER COLUMN event_id TYPE text;
ALTER TABLE idempotency_keys ALTER COLUMN scope TYPE text, ALTER COLUMN key TYPE text;
ALTER TABLE stock ALTER COLUMN merchant_id TYPE text, ALTER COLUMN sku TYPE text;
ALTER TABLE outbox ALTER COLUMN kind TYPE text;
ALTER TABLE attempts SET (fillfactor = 80);
ALTER TABLE orders SET (fillfactor = 80);
