-- When an account was read for the first time: what its server got before that is old mail, wherever it lies now, and a folder
-- that comes later is news from then on. Of an account that is read already, when the first message of it was stored.
ALTER TABLE account ADD COLUMN first_read_at INTEGER;
UPDATE account SET first_read_at =
  COALESCE((SELECT MIN(m.stored_at) FROM message m WHERE m.account = account.name), last_sync_at)
  WHERE EXISTS (SELECT 1 FROM folder f WHERE f.account = account.name);

-- Holds that only a person ends: loose ends.
CREATE INDEX hold_without_end ON hold (made_at, influencer_id) WHERE until IS NULL;
