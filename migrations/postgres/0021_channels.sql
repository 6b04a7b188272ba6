-- How far an account of a channel that is no mail was read: what its provider gave to go on from.
CREATE TABLE feed (
  account TEXT NOT NULL PRIMARY KEY,
  cursor TEXT NOT NULL,
  read_at BIGINT NOT NULL
);

-- The ids under which a provider of such a channel has messages, ours and theirs, and how ours fare there.
CREATE TABLE provider_message (
  account TEXT NOT NULL,
  provider_id TEXT NOT NULL,
  message_id UUID NOT NULL REFERENCES message (id),
  progress TEXT,
  progress_at BIGINT,
  code TEXT,
  PRIMARY KEY (account, provider_id)
);
CREATE INDEX provider_message_message ON provider_message (message_id);

-- What a message said until its author changed it, or took it back.
CREATE TABLE revision (
  message_id UUID NOT NULL REFERENCES message (id),
  at BIGINT NOT NULL,
  text TEXT NOT NULL,
  deleted BOOLEAN NOT NULL,
  PRIMARY KEY (message_id, at)
);

-- Until when the provider of an account wants to be left alone: all nodes keep to it, also after a restart.
ALTER TABLE account ADD COLUMN rest_until BIGINT;

-- Whether something of ours is under way to somebody, or went a moment ago.
CREATE INDEX outbox_recipient_key ON outbox_recipient (address_key, outbox_id);
