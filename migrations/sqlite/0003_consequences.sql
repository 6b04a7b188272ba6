-- Who or what holds somebody, each on its own: none shortens or lifts what another set. Without an end it lasts until it is
-- lifted. `held_until` of the influencer is the longest of these.
CREATE TABLE hold (
  influencer_id BLOB NOT NULL REFERENCES influencer (id),
  source TEXT NOT NULL,
  until INTEGER,
  reason TEXT,
  cause TEXT,
  made_at INTEGER NOT NULL,
  PRIMARY KEY (influencer_id, source)
) STRICT;

INSERT INTO hold (influencer_id, source, until, reason, cause, made_at)
  SELECT id, CASE WHEN hold_by_hand THEN 'hand' WHEN hold_reason = 'out of office' THEN 'away'
    WHEN hold_reason = 'mail bounces for now' THEN 'bounces'
    WHEN hold_reason = 'a message that may be about them is not assigned' THEN 'unassigned' ELSE 'hand' END,
    held_until, hold_reason, NULL, updated_at
  FROM influencer WHERE held_until IS NOT NULL;

-- What is to follow from a message that waits, once it is known whose it is.
ALTER TABLE unmatched ADD COLUMN facts TEXT;
