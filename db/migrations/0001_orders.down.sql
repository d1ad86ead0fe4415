DROP TABLE idempotency_keys, notice_attempts, notices, outbox, inbox, ledger_postings, stock_moves, stock,
    order_events, refunds, attempts, orders, endpoints, api_keys, merchants;
