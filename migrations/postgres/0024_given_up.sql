-- How often a file could not be fetched, beside how often it was taken in hand: a rest that its provider asks for is no failure.
ALTER TABLE message_file ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;
UPDATE message_file SET failures = tries WHERE state = 'waiting';

-- Files that are kept beside messages whose original is not.
CREATE INDEX message_file_stored ON message_file (stored_at, message_id, position) WHERE state <> 'gone';

-- Posts that nobody could show, by their age.
CREATE INDEX relay_post_waits ON relay_post (created_at) WHERE state IN ('waiting', 'begun');
