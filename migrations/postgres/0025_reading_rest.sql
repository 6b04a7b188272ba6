-- Until when an account's provider wants to be left alone by whoever reads: another session, and another node, keep to it as well.
ALTER TABLE account ADD COLUMN reading_rest_until BIGINT;

-- When a teammate's words were changed last: an older change that is told later is none.
ALTER TABLE relay_word ADD COLUMN changed_at BIGINT;

-- Answers to a mail to the team name the id that its provider gave it.
CREATE INDEX relay_post_provider ON relay_post (account, provider_id) WHERE provider_id IS NOT NULL;
