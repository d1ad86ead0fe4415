-- What orders leave behind lies in a partition for each month (UTC) in which
-- they were made: an identifier begins with that time, so every part of an
-- order lies in the same month as the order. Months are made ahead by
-- `db.EnsureMonths` and taken out, when all in them is at rest and old, by
-- `db.Detach`. A row for which no month was made goes to the default partition.
-- Decision 0013.

CREATE SCHEMA IF NOT EXISTS archive;

-- The merchants' own numbers are unique over all months.
CREATE TABLE order_numbers (
    merchant_id text COLLATE "C" NOT NULL,
    no          text COLLATE "C" NOT NULL,
    order_id    uuid NOT NULL,
    PRIMARY KEY (merchant_id, no)
);
INSERT INTO order_numbers SELECT merchant_id, merchant_order_no, id FROM orders WHERE merchant_order_no IS NOT NULL;
DROP INDEX orders_merchant_order_no;

-- A callback lies in the month of what it is about.
ALTER TABLE inbox ADD COLUMN subject uuid;
UPDATE inbox SET subject = CASE WHEN out_trade_no ~ '^[0-9a-f]{32}$' THEN out_trade_no::uuid ELSE gen_random_uuid() END;
ALTER TABLE inbox ALTER COLUMN subject SET NOT NULL, DROP CONSTRAINT inbox_pkey;

-- What was summed up when a month was taken out.
CREATE TABLE ledger_carried (
    month    text   NOT NULL,
    account  text   NOT NULL,
    currency text   NOT NULL,
    balance  bigint NOT NULL, -- debits less credits
    PRIMARY KEY (month, account, currency)
);
CREATE TABLE stock_carried (
    month       text   NOT NULL,
    merchant_id text   COLLATE "C" NOT NULL,
    sku         text   COLLATE "C" NOT NULL,
    consumed    bigint NOT NULL,
    restocked   bigint NOT NULL,
    PRIMARY KEY (month, merchant_id, sku)
);

DROP VIEW merchant_balances, ledger_balances;

-- The tables of before become the month of all that was made until now, where
-- there is anything in them.
DO $$
DECLARE
    t        record;
    i        record;
    filled   boolean := EXISTS (SELECT FROM orders) OR EXISTS (SELECT FROM inbox) OR EXISTS (SELECT FROM notices);
    next     timestamptz;
    next_id  uuid;
BEGIN
    next := date_trunc('month', (now() AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC';
    next_id := rpad(lpad(to_hex((extract(epoch FROM next) * 1000)::bigint), 12, '0'), 32, '0')::uuid;
    FOR t IN SELECT * FROM (VALUES
        ('orders', 'id', 'id', 'fillfactor = 50'),
        ('attempts', 'id', 'id', 'fillfactor = 50'),
        ('refunds', 'id', 'id', 'fillfactor = 80'),
        ('order_events', 'order_id', 'order_id, seq', ''),
        ('stock_moves', 'order_id', 'order_id, sku, kind', ''),
        ('ledger_postings', 'order_id', 'order_id, seq, line', ''),
        ('inbox', 'subject', 'subject, channel, event_id', ''),
        ('notices', 'id', 'id', ''),
        ('notice_attempts', 'notice_id', 'notice_id, endpoint_id, at', '')
    ) AS v (name, range, key, storage) LOOP
        FOR i IN SELECT indexrelid::regclass AS name FROM pg_index WHERE indrelid = t.name::regclass LOOP
            EXECUTE format('ALTER INDEX %s RENAME TO %I', i.name, i.name || '_before');
        END LOOP;
        EXECUTE format('ALTER TABLE %I RENAME TO %I', t.name, t.name || '_before');
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (%s)) PARTITION BY RANGE (%I)', t.name, t.name || '_before', t.key, t.range);
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', t.name || '_default', t.name);
        IF t.storage <> '' THEN
            EXECUTE format('ALTER TABLE %I SET (%s)', t.name || '_default', t.storage);
        END IF;
        IF t.name = 'inbox' THEN
            ALTER TABLE inbox_before ADD PRIMARY KEY (subject, channel, event_id);
        END IF;
        IF t.name = 'ledger_postings' THEN
            ALTER TABLE ledger_postings_before VALIDATE CONSTRAINT currency_is_a_code;
        END IF;
        IF filled THEN
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%L)', t.name, t.name || '_before', next_id);
        ELSE
            EXECUTE format('DROP TABLE %I', t.name || '_before');
        END IF;
    END LOOP;
END
$$;

CREATE INDEX orders_merchant ON orders (merchant_id, id);
CREATE INDEX orders_buyer ON orders (buyer_id, id);
CREATE INDEX orders_held ON orders (id) WHERE hold <> '';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stock_moves
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_postings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_carried
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stock_carried
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();

-- While a month is summed up and taken out, no order in it changes, and nothing
-- of an order changes but with it.
CREATE FUNCTION refuse_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'order % is being archived', OLD.id
        USING ERRCODE = 'OF001', HINT = 'Try again in a minute; when it is not found then, it is in the schema archive.';
END
$$;

-- A balance is debits less credits, for every account: what we have (assets)
-- and what we spent (expenses) is positive, what we owe (liabilities) and what
-- we earned (income) negative; all balances of a currency sum to zero. It is
-- derived on reading: a row per account would be one that all payments wait for.
CREATE VIEW ledger_balances AS
    SELECT account, currency, sum(amount)::bigint AS balance FROM (
        SELECT debit AS account, currency, amount FROM ledger_postings
        UNION ALL SELECT credit, currency, -amount FROM ledger_postings
        UNION ALL SELECT account, currency, balance FROM ledger_carried
    ) p GROUP BY account, currency;

-- What is owed to each merchant; here what we owe is positive.
CREATE VIEW merchant_balances AS
    SELECT merchant_id, currency, coalesce(sum(owed) FILTER (WHERE kind = 'merchant_pending'), 0)::bigint AS pending,
        coalesce(sum(owed) FILTER (WHERE kind = 'merchant_available'), 0)::bigint AS available
    FROM (
        SELECT split_part(account, ':', 1) AS kind, substring(account FROM position(':' IN account) + 1) AS merchant_id, currency, -balance AS owed
        FROM ledger_balances
    ) b WHERE kind IN ('merchant_pending', 'merchant_available') GROUP BY merchant_id, currency;
