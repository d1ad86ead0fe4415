-- The books: what was written is never rewritten, what stock was set to is
-- known, and balances can be read.

-- Timelines, movements and postings are only ever added. A correction is a new
-- row that reverses an old one. The triggers are of the statement, and of those
-- statements only that nobody runs: an INSERT pays nothing for them.
CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % refused: its rows are only ever added', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Add a row that says the opposite instead.';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stock_moves
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_postings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();

-- That every set of postings sums to zero, and so the ledger, is what the shape
-- of the table says: one row is a debit and a credit of one amount in one
-- currency (decision 0002). The constraints leave no other row: amount > 0,
-- debit <> credit, both there, a currency that is a code. NOT VALID: the rows
-- that are there already are looked at by `orderflow ledger check`, not now,
-- while everybody waits.
ALTER TABLE ledger_postings ADD CONSTRAINT currency_is_a_code CHECK (currency ~ '^[A-Z]{3}$') NOT VALID;

-- What people said that there is of a SKU. With the movements it makes up what
-- is on hand: on_hand = sum of delta - consumed + restocked.
CREATE TABLE stock_sets (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_id text        NOT NULL,
    sku         text        NOT NULL,
    delta       bigint      NOT NULL, -- on_hand as it was set, less what it was before
    on_hand     bigint      NOT NULL CHECK (on_hand >= 0), -- as it was set
    actor       text        NOT NULL,
    at          timestamptz NOT NULL
);
CREATE INDEX stock_sets_sku ON stock_sets (merchant_id, sku, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stock_sets
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();

-- Who set what is there already is not known. One statement sees stock and its
-- movements as of one moment, whatever is sold meanwhile.
INSERT INTO stock_sets (merchant_id, sku, delta, on_hand, actor, at)
    SELECT s.merchant_id, s.sku, s.on_hand + coalesce(m.gone, 0), s.on_hand + coalesce(m.gone, 0), 'migration', now()
    FROM stock s LEFT JOIN (
        SELECT o.merchant_id, m.sku, sum(CASE m.kind WHEN 'consume' THEN m.quantity ELSE -m.quantity END)::bigint AS gone
        FROM stock_moves m JOIN orders o ON o.id = m.order_id WHERE m.kind IN ('consume', 'restock') GROUP BY 1, 2
    ) m USING (merchant_id, sku);

-- A balance is debits less credits, for every account: what we have (assets)
-- and what we spent (expenses) is positive, what we owe (liabilities) and what
-- we earned (income) negative; all balances of a currency sum to zero. It is
-- derived on reading: a row per account would be one that all payments wait for.
CREATE VIEW ledger_balances AS
    SELECT account, currency, sum(amount)::bigint AS balance FROM (
        SELECT debit AS account, currency, amount FROM ledger_postings
        UNION ALL SELECT credit, currency, -amount FROM ledger_postings
    ) p GROUP BY account, currency;

-- What is owed to each merchant; here what we owe is positive.
CREATE VIEW merchant_balances AS
    SELECT merchant_id, currency, coalesce(sum(owed) FILTER (WHERE kind = 'merchant_pending'), 0)::bigint AS pending,
        coalesce(sum(owed) FILTER (WHERE kind = 'merchant_available'), 0)::bigint AS available
    FROM (
        SELECT split_part(account, ':', 1) AS kind, substring(account FROM position(':' IN account) + 1) AS merchant_id, currency, -balance AS owed
        FROM ledger_balances
    ) b WHERE kind IN ('merchant_pending', 'merchant_available') GROUP BY merchant_id, currency;
