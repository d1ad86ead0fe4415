DELETE FROM outbox WHERE kind IN ('payment:return', 'delivery:deadline', 'delivery:revoke', 'merchant:notify', 'alert:send');
ALTER TABLE refunds DROP COLUMN problem, DROP COLUMN voucher;
DROP INDEX orders_held;
ALTER TABLE orders DROP COLUMN deliver_within, DROP COLUMN revoke_within, DROP COLUMN cancel_at;
ALTER TABLE merchants DROP COLUMN deliver_within, DROP COLUMN revoke_within;
