-- Tasks that ask whether something was a no are a sort of their own: they are done only with an answer.
UPDATE task SET kind = 'refusal' WHERE kind = 'answer' AND state = 'open' AND message_id IS NOT NULL
  AND (text LIKE 'A machine answers for them %' OR text LIKE 'One of those who got this mail called it spam%');

-- Handles that somebody had before, by a rename or of a record that was joined: a row of an import under one of them is theirs. The one
-- who has a handle now comes first.
CREATE TABLE former_handle (
  handle_key TEXT NOT NULL PRIMARY KEY,
  influencer_id UUID NOT NULL REFERENCES influencer (id),
  at BIGINT NOT NULL
);
CREATE INDEX former_handle_influencer ON former_handle (influencer_id);

INSERT INTO former_handle (handle_key, influencer_id, at)
  SELECT data ->> 'handle_key', gone, at FROM merge_record WHERE undone_at IS NULL AND COALESCE(data ->> 'handle_key', '') <> ''
  ON CONFLICT DO NOTHING;
