-- What is kept for a time only is found by when it came: original mail that is still there, and hits.
CREATE INDEX message_original ON message (stored_at, id) WHERE raw_hash IS NOT NULL;
CREATE INDEX hit_kept ON hit (at, id);

-- A thread that a person gave to somebody else, and to whom it belonged by its addresses: what comes to that one in this
-- conversation goes to it.
ALTER TABLE thread ADD COLUMN given_from BLOB;
CREATE INDEX thread_given ON thread (conversation_id) WHERE given_from IS NOT NULL;

-- Two people may change a task.
ALTER TABLE task ADD COLUMN version INTEGER NOT NULL DEFAULT 1;

-- Where a database was moved to: nothing is sent from it any more, and a release has to say that it is known.
ALTER TABLE installation ADD COLUMN moved_to TEXT;
