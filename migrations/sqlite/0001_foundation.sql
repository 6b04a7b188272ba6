-- One row: which installation this database belongs to, and whether it may send.
CREATE TABLE installation (
  id BLOB NOT NULL PRIMARY KEY,
  installed_at INTEGER NOT NULL,
  held INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE lease (
  name TEXT NOT NULL PRIMARY KEY,
  holder BLOB,
  fence INTEGER NOT NULL,
  until INTEGER NOT NULL
) STRICT;

CREATE TABLE definition (
  hash TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  body TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;

CREATE TABLE active_definition (
  kind TEXT NOT NULL PRIMARY KEY,
  hash TEXT NOT NULL REFERENCES definition (hash),
  at INTEGER NOT NULL
) STRICT;

CREATE TABLE account (
  name TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  address TEXT NOT NULL,
  state TEXT NOT NULL,
  detail TEXT,
  sending_state TEXT NOT NULL DEFAULT 'up',
  sending_detail TEXT,
  changed_at INTEGER NOT NULL,
  last_sync_at INTEGER,
  filing_seen_at INTEGER
) STRICT;

CREATE TABLE folder (
  id BLOB NOT NULL PRIMARY KEY,
  account TEXT NOT NULL,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  uid_validity INTEGER NOT NULL,
  first_uid INTEGER NOT NULL,
  last_uid INTEGER NOT NULL,
  backfill_uid INTEGER NOT NULL,
  fire_after INTEGER,
  server_count INTEGER,
  stored_count INTEGER,
  missing_count INTEGER,
  counted_at INTEGER,
  last_sync_at INTEGER,
  UNIQUE (account, name)
) STRICT;

CREATE TABLE influencer (
  id BLOB NOT NULL PRIMARY KEY,
  handle TEXT NOT NULL,
  handle_key TEXT NOT NULL UNIQUE,
  first_name TEXT NOT NULL,
  last_name TEXT NOT NULL,
  stage TEXT NOT NULL,
  stage_pinned INTEGER NOT NULL DEFAULT 0,
  stage_at INTEGER NOT NULL,
  owner TEXT,
  timezone TEXT,
  properties TEXT NOT NULL,
  awaiting TEXT,
  last_message_at INTEGER,
  held_until INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX influencer_stage ON influencer (stage, id);
CREATE INDEX influencer_owner ON influencer (owner, id) WHERE owner IS NOT NULL;
CREATE INDEX influencer_recent ON influencer (COALESCE(last_message_at, 0), id);

-- What an influencer is found by when somebody types the beginning of a handle or a name.
CREATE TABLE influencer_word (
  word TEXT NOT NULL,
  influencer_id BLOB NOT NULL REFERENCES influencer (id),
  PRIMARY KEY (word, influencer_id)
) STRICT;
CREATE INDEX influencer_word_influencer ON influencer_word (influencer_id);

CREATE TABLE influencer_tag (
  influencer_id BLOB NOT NULL REFERENCES influencer (id),
  tag TEXT NOT NULL,
  PRIMARY KEY (influencer_id, tag)
) STRICT;
CREATE INDEX influencer_tag_tag ON influencer_tag (tag, influencer_id);

CREATE TABLE influencer_network (
  influencer_id BLOB NOT NULL REFERENCES influencer (id),
  network TEXT NOT NULL,
  handle TEXT NOT NULL,
  followers INTEGER,
  PRIMARY KEY (influencer_id, network)
) STRICT;

CREATE TABLE agent (
  id BLOB NOT NULL PRIMARY KEY,
  first_name TEXT NOT NULL,
  last_name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE agent_influencer (
  agent_id BLOB NOT NULL REFERENCES agent (id),
  influencer_id BLOB NOT NULL REFERENCES influencer (id),
  PRIMARY KEY (agent_id, influencer_id)
) STRICT;
CREATE INDEX agent_influencer_influencer ON agent_influencer (influencer_id, agent_id);

-- One address belongs to one person: an influencer or an agent. The key comes first in the index: PostgreSQL 15 serves
-- `channel = $1 AND value_key = ANY ($2)` from the other order by reading every address of the channel.
CREATE TABLE address (
  id BLOB NOT NULL PRIMARY KEY,
  channel TEXT NOT NULL,
  value TEXT NOT NULL,
  value_key TEXT NOT NULL,
  influencer_id BLOB REFERENCES influencer (id),
  agent_id BLOB REFERENCES agent (id),
  is_primary INTEGER NOT NULL,
  dead_at INTEGER,
  dead_reason TEXT,
  created_at INTEGER NOT NULL,
  UNIQUE (value_key, channel),
  CHECK ((influencer_id IS NULL) <> (agent_id IS NULL))
) STRICT;
CREATE INDEX address_influencer ON address (influencer_id);
CREATE INDEX address_agent ON address (agent_id);

CREATE TABLE consent (
  id BLOB NOT NULL PRIMARY KEY,
  channel TEXT NOT NULL,
  value_key TEXT NOT NULL,
  source TEXT NOT NULL,
  evidence TEXT NOT NULL,
  at INTEGER NOT NULL,
  withdrawn_at INTEGER
) STRICT;
CREATE INDEX consent_value ON consent (value_key, channel);

CREATE TABLE suppression (
  id BLOB NOT NULL PRIMARY KEY,
  channel TEXT NOT NULL,
  value_key TEXT NOT NULL,
  scope TEXT NOT NULL,
  reason TEXT NOT NULL,
  evidence TEXT NOT NULL,
  at INTEGER NOT NULL,
  UNIQUE (value_key, channel, scope)
) STRICT;

CREATE TABLE conversation (
  id BLOB NOT NULL PRIMARY KEY,
  merged_into BLOB,
  created_at INTEGER NOT NULL
) STRICT;

-- Every id ever seen in a message, unseen parents included: the union-find of conversations.
CREATE TABLE message_ref (
  ref TEXT NOT NULL PRIMARY KEY,
  conversation_id BLOB NOT NULL REFERENCES conversation (id)
) STRICT;
CREATE INDEX message_ref_conversation ON message_ref (conversation_id);

CREATE TABLE thread (
  id BLOB NOT NULL PRIMARY KEY,
  conversation_id BLOB NOT NULL REFERENCES conversation (id),
  influencer_id BLOB NOT NULL REFERENCES influencer (id),
  channel TEXT NOT NULL,
  account TEXT NOT NULL,
  subject TEXT NOT NULL,
  subject_key TEXT NOT NULL,
  message_count INTEGER NOT NULL,
  last_message_at INTEGER NOT NULL,
  awaiting TEXT,
  merged_into BLOB,
  created_at INTEGER NOT NULL,
  UNIQUE (conversation_id, influencer_id)
) STRICT;
CREATE INDEX thread_recent ON thread (last_message_at, id) WHERE merged_into IS NULL;
CREATE INDEX thread_awaiting ON thread (awaiting, last_message_at, id) WHERE merged_into IS NULL AND awaiting IS NOT NULL;
CREATE INDEX thread_account ON thread (account, last_message_at, id) WHERE merged_into IS NULL;
CREATE INDEX thread_merged ON thread (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX thread_influencer ON thread (influencer_id, last_message_at, id) WHERE merged_into IS NULL;

CREATE TABLE raw (
  hash BLOB NOT NULL PRIMARY KEY,
  size INTEGER NOT NULL,
  data BLOB NOT NULL
) STRICT;

CREATE TABLE message (
  n INTEGER NOT NULL PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  conversation_id BLOB NOT NULL REFERENCES conversation (id),
  direction TEXT NOT NULL,
  kind TEXT NOT NULL,
  channel TEXT NOT NULL,
  account TEXT NOT NULL,
  internet_message_id TEXT,
  fingerprint BLOB NOT NULL UNIQUE,
  author_name TEXT NOT NULL,
  author_address TEXT NOT NULL,
  recipients TEXT NOT NULL,
  subject TEXT NOT NULL,
  text TEXT NOT NULL,
  reply_text TEXT,
  attachments TEXT,
  flaws TEXT,
  has_html INTEGER NOT NULL,
  size INTEGER NOT NULL,
  raw_hash BLOB REFERENCES raw (hash),
  at INTEGER NOT NULL,
  stored_at INTEGER NOT NULL,
  backfilled INTEGER NOT NULL
) STRICT;
CREATE INDEX message_conversation ON message (conversation_id);
CREATE INDEX message_internet_id ON message (internet_message_id) WHERE internet_message_id IS NOT NULL;
CREATE INDEX message_raw ON message (raw_hash);

CREATE TABLE participation (
  message_id BLOB NOT NULL REFERENCES message (id),
  influencer_id BLOB NOT NULL REFERENCES influencer (id),
  thread_id BLOB NOT NULL REFERENCES thread (id),
  role TEXT NOT NULL,
  agent_id BLOB,
  assigned INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (message_id, influencer_id)
) STRICT;
CREATE INDEX participation_timeline ON participation (influencer_id, at, message_id);
CREATE INDEX participation_thread ON participation (thread_id, at, message_id);

-- Where a message was seen. Without a message: a uid that was looked at and left out, with the reason.
CREATE TABLE delivery (
  folder_id BLOB NOT NULL REFERENCES folder (id),
  uid_validity INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  message_id BLOB REFERENCES message (id),
  left_out TEXT,
  seen_at INTEGER NOT NULL,
  PRIMARY KEY (folder_id, uid_validity, uid)
) STRICT;
CREATE INDEX delivery_message ON delivery (message_id);

CREATE TABLE outbox (
  id BLOB NOT NULL PRIMARY KEY REFERENCES message (id),
  account TEXT NOT NULL,
  status TEXT NOT NULL,
  due_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  lease_holder BLOB,
  lease_until INTEGER,
  token TEXT NOT NULL UNIQUE,
  first_try_at INTEGER,
  handed_over_at INTEGER,
  finished_at INTEGER,
  look_at INTEGER,
  detail TEXT,
  held_reason TEXT,
  filed_at INTEGER,
  file_copy INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_due ON outbox (account, due_at, id) WHERE status IN ('queued', 'deferred');
CREATE INDEX outbox_leased ON outbox (lease_until, id) WHERE status IN ('claimed', 'handed_over');
CREATE INDEX outbox_uncertain ON outbox (account, look_at, id) WHERE status = 'uncertain';
CREATE INDEX outbox_unfiled ON outbox (account, finished_at, id) WHERE file_copy;
CREATE INDEX outbox_status ON outbox (status, id);
CREATE INDEX outbox_handed ON outbox (account, handed_over_at) WHERE handed_over_at IS NOT NULL;

CREATE TABLE outbox_recipient (
  outbox_id BLOB NOT NULL REFERENCES outbox (id),
  position INTEGER NOT NULL,
  address TEXT NOT NULL,
  address_key TEXT NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  code INTEGER,
  detail TEXT,
  PRIMARY KEY (outbox_id, position)
) STRICT;

CREATE TABLE event (
  id BLOB NOT NULL PRIMARY KEY,
  type TEXT NOT NULL,
  at INTEGER NOT NULL,
  influencer_id BLOB,
  stage TEXT,
  message_id BLOB,
  data TEXT,
  seq INTEGER UNIQUE
) STRICT;
CREATE INDEX event_unsequenced ON event (id) WHERE seq IS NULL;
CREATE INDEX event_timeline ON event (influencer_id, at, id) WHERE influencer_id IS NOT NULL;
CREATE INDEX event_message ON event (message_id) WHERE message_id IS NOT NULL;

CREATE TABLE sequencer (
  name TEXT NOT NULL PRIMARY KEY,
  last_seq INTEGER NOT NULL
) STRICT;

CREATE TABLE note (
  id BLOB NOT NULL PRIMARY KEY,
  influencer_id BLOB NOT NULL REFERENCES influencer (id),
  author TEXT NOT NULL,
  text TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX note_timeline ON note (influencer_id, at, id);

-- Addresses that belonged to nobody when a message came or went: matching one later re-threads its history.
CREATE TABLE stranger (
  address_key TEXT NOT NULL,
  message_id BLOB NOT NULL REFERENCES message (id),
  role TEXT NOT NULL,
  PRIMARY KEY (address_key, message_id)
) STRICT;
CREATE INDEX stranger_message ON stranger (message_id);

CREATE TABLE unmatched (
  message_id BLOB NOT NULL PRIMARY KEY REFERENCES message (id),
  reason TEXT NOT NULL,
  address TEXT NOT NULL,
  address_key TEXT NOT NULL,
  name TEXT NOT NULL,
  influencer_id BLOB,
  agent_id BLOB,
  at INTEGER NOT NULL,
  resolved_at INTEGER
) STRICT;
CREATE INDEX unmatched_open ON unmatched (at, message_id) WHERE resolved_at IS NULL;
CREATE INDEX unmatched_address ON unmatched (address_key) WHERE resolved_at IS NULL;

CREATE TABLE api_token (
  id BLOB NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  hash BLOB NOT NULL UNIQUE,
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER
) STRICT;

CREATE VIRTUAL TABLE message_search USING fts5 (
  subject, body, names, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);
