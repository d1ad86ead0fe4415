ALTER TABLE recoveries DROP COLUMN actor;
