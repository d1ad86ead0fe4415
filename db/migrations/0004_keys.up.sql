-- Room in a page for the next version of what is in it: all its rows are
-- changed once soon after they are made, without a new entry in any index.
ALTER TABLE orders SET (fillfactor = 50);
ALTER TABLE attempts SET (fillfactor = 50);

-- Keys are compared byte by byte, not by the rules of a language.
ALTER TABLE outbox ALTER COLUMN kind TYPE text COLLATE "C";
ALTER TABLE stock ALTER COLUMN merchant_id TYPE text COLLATE "C", ALTER COLUMN sku TYPE text COLLATE "C";
ALTER TABLE idempotency_keys ALTER COLUMN scope TYPE text COLLATE "C", ALTER COLUMN key TYPE text COLLATE "C";
ALTER TABLE inbox ALTER COLUMN channel TYPE text COLLATE "C", ALTER COLUMN event_id TYPE text COLLATE "C";
ALTER TABLE stock_moves ALTER COLUMN sku TYPE text COLLATE "C", ALTER COLUMN kind TYPE text COLLATE "C";
