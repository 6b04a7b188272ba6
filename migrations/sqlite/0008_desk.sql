-- What people do with a thread, and the version they saw it in. Read, snoozed and archived hold until the next message: each
-- keeps the instant of the newest one there was.
ALTER TABLE thread ADD COLUMN assignee TEXT;
ALTER TABLE thread ADD COLUMN read_at INTEGER;
ALTER TABLE thread ADD COLUMN snoozed_at INTEGER;
ALTER TABLE thread ADD COLUMN snoozed_until INTEGER;
ALTER TABLE thread ADD COLUMN archived_at INTEGER;
ALTER TABLE thread ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
CREATE INDEX thread_assignee ON thread (assignee, last_message_at, id) WHERE merged_into IS NULL AND assignee IS NOT NULL;

-- An agent who was removed writes for nobody and has no address; what they wrote keeps their name.
ALTER TABLE agent ADD COLUMN removed_at INTEGER;
