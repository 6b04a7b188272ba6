-- How far the relay has looked through the events.
CREATE TABLE relay (
  name TEXT NOT NULL PRIMARY KEY,
  seen_seq INTEGER NOT NULL
) STRICT;

-- Where the team talks about somebody: a thread of a conversation of theirs, or of a mailbox.
CREATE TABLE relay_thread (
  id BLOB NOT NULL PRIMARY KEY,
  relay TEXT NOT NULL,
  account TEXT NOT NULL,
  place TEXT NOT NULL,
  influencer_id BLOB NOT NULL REFERENCES influencer (id),
  marker TEXT NOT NULL,
  root TEXT,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX relay_thread_influencer ON relay_thread (influencer_id, account, place);
CREATE INDEX relay_thread_place ON relay_thread (account, place);
CREATE INDEX relay_thread_root ON relay_thread (account, root);

-- What is shown to the team there.
CREATE TABLE relay_post (
  id BLOB NOT NULL PRIMARY KEY,
  thread_id BLOB NOT NULL REFERENCES relay_thread (id),
  account TEXT NOT NULL,
  sort TEXT NOT NULL,
  about TEXT NOT NULL,
  message_id BLOB,
  text TEXT NOT NULL,
  token TEXT NOT NULL,
  state TEXT NOT NULL,
  tries INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  begun_at INTEGER,
  provider_id TEXT,
  why TEXT,
  created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX relay_post_about ON relay_post (thread_id, about);
CREATE UNIQUE INDEX relay_post_token ON relay_post (token);
CREATE INDEX relay_post_message ON relay_post (message_id);
CREATE INDEX relay_post_due ON relay_post (account, id) WHERE state IN ('waiting', 'begun');
CREATE INDEX relay_post_line ON relay_post (thread_id, id) WHERE state IN ('waiting', 'begun');
CREATE INDEX relay_post_age ON relay_post (created_at);

-- What the team says there.
CREATE TABLE relay_word (
  account TEXT NOT NULL,
  provider_id TEXT NOT NULL,
  thread_id BLOB NOT NULL REFERENCES relay_thread (id),
  answers BLOB,
  way TEXT NOT NULL,
  author TEXT NOT NULL,
  text TEXT NOT NULL,
  refused TEXT,
  at INTEGER NOT NULL,
  heard_at INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  taken_back INTEGER NOT NULL,
  state TEXT NOT NULL,
  note_id BLOB,
  message_id BLOB,
  PRIMARY KEY (account, provider_id)
) STRICT;
CREATE INDEX relay_word_thread ON relay_word (thread_id);
CREATE INDEX relay_word_message ON relay_word (message_id);
CREATE INDEX relay_word_state ON relay_word (state, heard_at);

-- What was changed or taken back there before it was heard.
CREATE TABLE relay_gone (
  account TEXT NOT NULL,
  provider_id TEXT NOT NULL,
  taken_back INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (account, provider_id)
) STRICT;
CREATE INDEX relay_gone_at ON relay_gone (at);
