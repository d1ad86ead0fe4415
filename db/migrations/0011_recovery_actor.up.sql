-- Who asked for a recovery, as on an order's timeline: merchant:m_1, operator:alice.
-- Of those before it is not known.
ALTER TABLE recoveries ADD COLUMN actor text NOT NULL DEFAULT '';
