-- What is kept for a time only is found by when it came: original mail that is still there, and hits.
CREATE INDEX message_original ON message (stored_at, id) WHERE raw_hash IS NOT NULL;
CREATE INDEX hit_kept ON hit (at, id);
