-- What must still be known of people who were erased, by keyed hashes that say nothing to whoever reads them: which addresses
-- are not to be written to, and which mail is not to be stored again when it is read anew. The key is made with the first one.
CREATE TABLE erasure_key (
  name TEXT NOT NULL PRIMARY KEY,
  key BYTEA NOT NULL,
  at BIGINT NOT NULL
);

CREATE TABLE erased_address (
  hash BYTEA NOT NULL,
  scope TEXT NOT NULL,
  id UUID NOT NULL,
  reason TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (hash, scope)
);

CREATE TABLE erased_message (
  hash BYTEA NOT NULL PRIMARY KEY,
  at BIGINT NOT NULL
);

-- That somebody was erased: who did it, when, how much there was, and since when no octet of it is left in the file.
CREATE TABLE erasure (
  id UUID NOT NULL PRIMARY KEY,
  influencer_id UUID NOT NULL,
  by TEXT NOT NULL,
  at BIGINT NOT NULL,
  counts JSONB NOT NULL,
  overwritten_at BIGINT
);
CREATE INDEX erasure_open ON erasure (at) WHERE overwritten_at IS NULL;

-- Filters of a list that somebody gave a name.
CREATE TABLE saved_view (
  name TEXT NOT NULL PRIMARY KEY,
  about TEXT NOT NULL,
  filters JSONB NOT NULL,
  by TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  version BIGINT NOT NULL DEFAULT 1
);

-- Who follows somebody, as the last report says: the share of a country, an age or a gender.
CREATE TABLE influencer_audience (
  influencer_id UUID NOT NULL REFERENCES influencer (id),
  dimension TEXT NOT NULL,
  key TEXT NOT NULL,
  share DOUBLE PRECISION NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (influencer_id, dimension, key)
);

-- Those in a stage, the one with the newest message first.
CREATE INDEX influencer_stage_recent ON influencer (stage, COALESCE(last_message_at, 0), id);

-- Whoever goes takes rows along that were never looked for from this side.
CREATE INDEX outbox_clean ON outbox (clean_hash) WHERE clean_hash IS NOT NULL;
CREATE INDEX thread_owner ON thread (influencer_id);
CREATE INDEX merge_record_kept_ever ON merge_record (kept);
CREATE INDEX merge_record_gone_ever ON merge_record (gone);
