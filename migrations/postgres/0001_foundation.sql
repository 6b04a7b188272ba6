-- One row: which installation this database belongs to, and whether it may send.
CREATE TABLE installation (
  id UUID NOT NULL PRIMARY KEY,
  installed_at BIGINT NOT NULL,
  held BOOLEAN NOT NULL DEFAULT FALSE
);

CREATE TABLE lease (
  name TEXT NOT NULL PRIMARY KEY,
  holder UUID,
  fence BIGINT NOT NULL,
  until BIGINT NOT NULL
);

CREATE TABLE definition (
  hash TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  body TEXT NOT NULL,
  at BIGINT NOT NULL
);

CREATE TABLE active_definition (
  kind TEXT NOT NULL PRIMARY KEY,
  hash TEXT NOT NULL REFERENCES definition (hash),
  at BIGINT NOT NULL
);

CREATE TABLE account (
  name TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  address TEXT NOT NULL,
  state TEXT NOT NULL,
  detail TEXT,
  sending_state TEXT NOT NULL DEFAULT 'up',
  sending_detail TEXT,
  changed_at BIGINT NOT NULL,
  last_sync_at BIGINT,
  filing_seen_at BIGINT
);

CREATE TABLE folder (
  id UUID NOT NULL PRIMARY KEY,
  account TEXT NOT NULL,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  uid_validity BIGINT NOT NULL,
  first_uid BIGINT NOT NULL,
  last_uid BIGINT NOT NULL,
  backfill_uid BIGINT NOT NULL,
  fire_after BIGINT,
  server_count BIGINT,
  stored_count BIGINT,
  missing_count BIGINT,
  counted_at BIGINT,
  last_sync_at BIGINT,
  UNIQUE (account, name)
);

CREATE TABLE influencer (
  id UUID NOT NULL PRIMARY KEY,
  handle TEXT NOT NULL,
  handle_key TEXT NOT NULL UNIQUE,
  first_name TEXT NOT NULL,
  last_name TEXT NOT NULL,
  stage TEXT NOT NULL,
  stage_pinned BOOLEAN NOT NULL DEFAULT FALSE,
  stage_at BIGINT NOT NULL,
  owner TEXT,
  timezone TEXT,
  properties JSONB NOT NULL,
  awaiting TEXT,
  last_message_at BIGINT,
  held_until BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  version BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX influencer_stage ON influencer (stage, id);
CREATE INDEX influencer_owner ON influencer (owner, id) WHERE owner IS NOT NULL;
CREATE INDEX influencer_recent ON influencer (COALESCE(last_message_at, 0), id);

-- What an influencer is found by when somebody types the beginning of a handle or a name.
CREATE TABLE influencer_word (
  word TEXT COLLATE "C" NOT NULL,
  influencer_id UUID NOT NULL REFERENCES influencer (id),
  PRIMARY KEY (word, influencer_id)
);
CREATE INDEX influencer_word_influencer ON influencer_word (influencer_id);

CREATE TABLE influencer_tag (
  influencer_id UUID NOT NULL REFERENCES influencer (id),
  tag TEXT NOT NULL,
  PRIMARY KEY (influencer_id, tag)
);
CREATE INDEX influencer_tag_tag ON influencer_tag (tag, influencer_id);

CREATE TABLE influencer_network (
  influencer_id UUID NOT NULL REFERENCES influencer (id),
  network TEXT NOT NULL,
  handle TEXT NOT NULL,
  followers BIGINT,
  PRIMARY KEY (influencer_id, network)
);

CREATE TABLE agent (
  id UUID NOT NULL PRIMARY KEY,
  first_name TEXT NOT NULL,
  last_name TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

CREATE TABLE agent_influencer (
  agent_id UUID NOT NULL REFERENCES agent (id),
  influencer_id UUID NOT NULL REFERENCES influencer (id),
  PRIMARY KEY (agent_id, influencer_id)
);
CREATE INDEX agent_influencer_influencer ON agent_influencer (influencer_id, agent_id);

-- One address belongs to one person: an influencer or an agent. The key comes first in the index: PostgreSQL 15 serves
-- `channel = $1 AND value_key = ANY ($2)` from the other order by reading every address of the channel.
CREATE TABLE address (
  id UUID NOT NULL PRIMARY KEY,
  channel TEXT NOT NULL,
  value TEXT NOT NULL,
  value_key TEXT NOT NULL,
  influencer_id UUID REFERENCES influencer (id),
  agent_id UUID REFERENCES agent (id),
  is_primary BOOLEAN NOT NULL,
  dead_at BIGINT,
  dead_reason TEXT,
  created_at BIGINT NOT NULL,
  UNIQUE (value_key, channel),
  CHECK ((influencer_id IS NULL) <> (agent_id IS NULL))
);
CREATE INDEX address_influencer ON address (influencer_id);
CREATE INDEX address_agent ON address (agent_id);

CREATE TABLE consent (
  id UUID NOT NULL PRIMARY KEY,
  channel TEXT NOT NULL,
  value_key TEXT NOT NULL,
  source TEXT NOT NULL,
  evidence TEXT NOT NULL,
  at BIGINT NOT NULL,
  withdrawn_at BIGINT
);
CREATE INDEX consent_value ON consent (value_key, channel);

CREATE TABLE suppression (
  id UUID NOT NULL PRIMARY KEY,
  channel TEXT NOT NULL,
  value_key TEXT NOT NULL,
  scope TEXT NOT NULL,
  reason TEXT NOT NULL,
  evidence TEXT NOT NULL,
  at BIGINT NOT NULL,
  UNIQUE (value_key, channel, scope)
);

CREATE TABLE conversation (
  id UUID NOT NULL PRIMARY KEY,
  merged_into UUID,
  created_at BIGINT NOT NULL
);

-- Every id ever seen in a message, unseen parents included: the union-find of conversations.
CREATE TABLE message_ref (
  ref TEXT NOT NULL PRIMARY KEY,
  conversation_id UUID NOT NULL REFERENCES conversation (id)
);
CREATE INDEX message_ref_conversation ON message_ref (conversation_id);

CREATE TABLE thread (
  id UUID NOT NULL PRIMARY KEY,
  conversation_id UUID NOT NULL REFERENCES conversation (id),
  influencer_id UUID NOT NULL REFERENCES influencer (id),
  channel TEXT NOT NULL,
  account TEXT NOT NULL,
  subject TEXT NOT NULL,
  subject_key TEXT NOT NULL,
  message_count BIGINT NOT NULL,
  last_message_at BIGINT NOT NULL,
  awaiting TEXT,
  merged_into UUID,
  created_at BIGINT NOT NULL,
  UNIQUE (conversation_id, influencer_id)
);
CREATE INDEX thread_recent ON thread (last_message_at, id) WHERE merged_into IS NULL;
CREATE INDEX thread_awaiting ON thread (awaiting, last_message_at, id) WHERE merged_into IS NULL AND awaiting IS NOT NULL;
CREATE INDEX thread_account ON thread (account, last_message_at, id) WHERE merged_into IS NULL;
CREATE INDEX thread_merged ON thread (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX thread_influencer ON thread (influencer_id, last_message_at, id) WHERE merged_into IS NULL;

CREATE TABLE raw (
  hash BYTEA NOT NULL PRIMARY KEY,
  size BIGINT NOT NULL,
  data BYTEA NOT NULL
);

CREATE TABLE message (
  n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id UUID NOT NULL UNIQUE,
  conversation_id UUID NOT NULL REFERENCES conversation (id),
  direction TEXT NOT NULL,
  kind TEXT NOT NULL,
  channel TEXT NOT NULL,
  account TEXT NOT NULL,
  internet_message_id TEXT,
  fingerprint BYTEA NOT NULL UNIQUE,
  author_name TEXT NOT NULL,
  author_address TEXT NOT NULL,
  recipients JSONB NOT NULL,
  subject TEXT NOT NULL,
  text TEXT NOT NULL,
  reply_text TEXT,
  attachments JSONB,
  flaws JSONB,
  has_html BOOLEAN NOT NULL,
  size BIGINT NOT NULL,
  raw_hash BYTEA REFERENCES raw (hash),
  at BIGINT NOT NULL,
  stored_at BIGINT NOT NULL,
  backfilled BOOLEAN NOT NULL
);
CREATE INDEX message_conversation ON message (conversation_id);
CREATE INDEX message_internet_id ON message (internet_message_id) WHERE internet_message_id IS NOT NULL;
CREATE INDEX message_raw ON message (raw_hash);

CREATE TABLE participation (
  message_id UUID NOT NULL REFERENCES message (id),
  influencer_id UUID NOT NULL REFERENCES influencer (id),
  thread_id UUID NOT NULL REFERENCES thread (id),
  role TEXT NOT NULL,
  agent_id UUID,
  assigned BOOLEAN NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (message_id, influencer_id)
);
CREATE INDEX participation_timeline ON participation (influencer_id, at, message_id);
CREATE INDEX participation_thread ON participation (thread_id, at, message_id);

-- Where a message was seen. Without a message: a uid that was looked at and left out, with the reason.
CREATE TABLE delivery (
  folder_id UUID NOT NULL REFERENCES folder (id),
  uid_validity BIGINT NOT NULL,
  uid BIGINT NOT NULL,
  message_id UUID REFERENCES message (id),
  left_out TEXT,
  seen_at BIGINT NOT NULL,
  PRIMARY KEY (folder_id, uid_validity, uid)
);
CREATE INDEX delivery_message ON delivery (message_id);

CREATE TABLE outbox (
  id UUID NOT NULL PRIMARY KEY REFERENCES message (id),
  account TEXT NOT NULL,
  status TEXT NOT NULL,
  due_at BIGINT NOT NULL,
  attempts BIGINT NOT NULL DEFAULT 0,
  failures BIGINT NOT NULL DEFAULT 0,
  lease_holder UUID,
  lease_until BIGINT,
  token TEXT NOT NULL UNIQUE,
  first_try_at BIGINT,
  handed_over_at BIGINT,
  finished_at BIGINT,
  look_at BIGINT,
  detail TEXT,
  held_reason TEXT,
  filed_at BIGINT,
  file_copy BOOLEAN NOT NULL DEFAULT FALSE,
  created_at BIGINT NOT NULL
);
CREATE INDEX outbox_due ON outbox (account, due_at, id) WHERE status IN ('queued', 'deferred');
CREATE INDEX outbox_leased ON outbox (lease_until, id) WHERE status IN ('claimed', 'handed_over');
CREATE INDEX outbox_uncertain ON outbox (account, look_at, id) WHERE status = 'uncertain';
CREATE INDEX outbox_unfiled ON outbox (account, finished_at, id) WHERE file_copy;
CREATE INDEX outbox_status ON outbox (status, id);
CREATE INDEX outbox_handed ON outbox (account, handed_over_at) WHERE handed_over_at IS NOT NULL;

CREATE TABLE outbox_recipient (
  outbox_id UUID NOT NULL REFERENCES outbox (id),
  position BIGINT NOT NULL,
  address TEXT NOT NULL,
  address_key TEXT NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  code BIGINT,
  detail TEXT,
  PRIMARY KEY (outbox_id, position)
);

CREATE TABLE event (
  id UUID NOT NULL PRIMARY KEY,
  type TEXT NOT NULL,
  at BIGINT NOT NULL,
  influencer_id UUID,
  stage TEXT,
  message_id UUID,
  data JSONB,
  seq BIGINT UNIQUE
);
CREATE INDEX event_unsequenced ON event (id) WHERE seq IS NULL;
CREATE INDEX event_timeline ON event (influencer_id, at, id) WHERE influencer_id IS NOT NULL;
CREATE INDEX event_message ON event (message_id) WHERE message_id IS NOT NULL;

CREATE TABLE sequencer (
  name TEXT NOT NULL PRIMARY KEY,
  last_seq BIGINT NOT NULL
);

CREATE TABLE note (
  id UUID NOT NULL PRIMARY KEY,
  influencer_id UUID NOT NULL REFERENCES influencer (id),
  author TEXT NOT NULL,
  text TEXT NOT NULL,
  at BIGINT NOT NULL
);
CREATE INDEX note_timeline ON note (influencer_id, at, id);

-- Addresses that belonged to nobody when a message came or went: matching one later re-threads its history.
CREATE TABLE stranger (
  address_key TEXT NOT NULL,
  message_id UUID NOT NULL REFERENCES message (id),
  role TEXT NOT NULL,
  PRIMARY KEY (address_key, message_id)
);
CREATE INDEX stranger_message ON stranger (message_id);

CREATE TABLE unmatched (
  message_id UUID NOT NULL PRIMARY KEY REFERENCES message (id),
  reason TEXT NOT NULL,
  address TEXT NOT NULL,
  address_key TEXT NOT NULL,
  name TEXT NOT NULL,
  influencer_id UUID,
  agent_id UUID,
  at BIGINT NOT NULL,
  resolved_at BIGINT
);
CREATE INDEX unmatched_open ON unmatched (at, message_id) WHERE resolved_at IS NULL;
CREATE INDEX unmatched_address ON unmatched (address_key) WHERE resolved_at IS NULL;

CREATE TABLE api_token (
  id UUID NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  hash BYTEA NOT NULL UNIQUE,
  scopes JSONB NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT,
  revoked_at BIGINT
);

CREATE TABLE message_search (
  n BIGINT NOT NULL PRIMARY KEY,
  document TSVECTOR NOT NULL
);
CREATE INDEX message_search_document ON message_search USING gin (document);
