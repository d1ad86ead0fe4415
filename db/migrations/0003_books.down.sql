DROP VIEW merchant_balances, ledger_balances;
DROP TABLE stock_sets;
ALTER TABLE ledger_postings DROP CONSTRAINT currency_is_a_code;
DROP TRIGGER append_only ON ledger_postings;
DROP TRIGGER append_only ON stock_moves;
DROP TRIGGER append_only ON order_events;
DROP FUNCTION refuse_rewriting();
