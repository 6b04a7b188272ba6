-- One version of a sequence with its templates, by content hash: what an enrollment is pinned to.
CREATE TABLE sequence_version (
  hash TEXT NOT NULL PRIMARY KEY,
  sequence TEXT NOT NULL,
  body TEXT NOT NULL,
  published_at BIGINT NOT NULL
);
CREATE INDEX sequence_version_sequence ON sequence_version (sequence, published_at);

-- The sequences there are. Without an active hash: it was deleted, and its runs were stopped.
CREATE TABLE sequence (
  id TEXT NOT NULL PRIMARY KEY,
  active_hash TEXT REFERENCES sequence_version (hash),
  paused_at BIGINT,
  pause_reason TEXT,
  changed_at BIGINT NOT NULL
);

-- One influencer's run of one sequence. `next_at` is when it is to be looked at; looking too early does no harm.
CREATE TABLE enrollment (
  id UUID NOT NULL PRIMARY KEY,
  sequence TEXT NOT NULL,
  version TEXT NOT NULL REFERENCES sequence_version (hash),
  influencer_id UUID NOT NULL REFERENCES influencer (id),
  run BIGINT NOT NULL,
  account TEXT NOT NULL,
  state TEXT NOT NULL,
  step TEXT,
  phase TEXT NOT NULL,
  anchor_at BIGINT NOT NULL,
  next_at BIGINT,
  first BOOLEAN NOT NULL,
  waiting_for TEXT,
  held_at BIGINT,
  exit_reason TEXT,
  filled JSONB NOT NULL,
  started_at BIGINT NOT NULL,
  ended_at BIGINT,
  updated_at BIGINT NOT NULL,
  UNIQUE (influencer_id, sequence, run)
);
CREATE UNIQUE INDEX enrollment_live ON enrollment (influencer_id, sequence) WHERE state IN ('active', 'held', 'paused');
CREATE INDEX enrollment_due ON enrollment (first, next_at, id) WHERE next_at IS NOT NULL;
CREATE INDEX enrollment_influencer ON enrollment (influencer_id, id);
CREATE INDEX enrollment_sequence ON enrollment (sequence, state, id);
CREATE INDEX enrollment_account ON enrollment (account, id) WHERE state IN ('active', 'held', 'paused');
CREATE INDEX enrollment_version ON enrollment (version) WHERE state IN ('active', 'held', 'paused');

-- What became of each step of a run. The key is the promise that no step is done twice.
CREATE TABLE enrollment_step (
  enrollment_id UUID NOT NULL REFERENCES enrollment (id),
  step TEXT NOT NULL,
  state TEXT NOT NULL,
  kind TEXT NOT NULL,
  variant TEXT,
  planned_at BIGINT,
  shifts JSONB,
  completed_at BIGINT,
  message_id UUID,
  task_id UUID,
  reason TEXT,
  opened_at BIGINT,
  clicked_at BIGINT,
  replied_at BIGINT,
  PRIMARY KEY (enrollment_id, step)
);
CREATE INDEX enrollment_step_message ON enrollment_step (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX enrollment_step_task ON enrollment_step (task_id) WHERE task_id IS NOT NULL;

-- Capacity that is taken, by the instant it is planned for; what is only pencilled in gives way to follow-ups.
CREATE TABLE reservation (
  id UUID NOT NULL PRIMARY KEY,
  account TEXT NOT NULL,
  sequence TEXT,
  domain TEXT NOT NULL,
  first BOOLEAN NOT NULL,
  pencilled BOOLEAN NOT NULL,
  at BIGINT NOT NULL,
  gap BIGINT NOT NULL
);
CREATE INDEX reservation_account ON reservation (account, at);
CREATE INDEX reservation_sequence ON reservation (sequence, at) WHERE sequence IS NOT NULL;

CREATE TABLE task (
  id UUID NOT NULL PRIMARY KEY,
  influencer_id UUID REFERENCES influencer (id),
  enrollment_id UUID REFERENCES enrollment (id),
  step TEXT,
  kind TEXT NOT NULL,
  text TEXT NOT NULL,
  assignee TEXT,
  fills TEXT,
  message_id UUID,
  due_at BIGINT,
  expires_at BIGINT,
  state TEXT NOT NULL,
  answer TEXT,
  created_at BIGINT NOT NULL,
  completed_at BIGINT,
  completed_by TEXT
);
CREATE INDEX task_open ON task (state, due_at, id);
CREATE INDEX task_influencer ON task (influencer_id, created_at, id) WHERE influencer_id IS NOT NULL;
CREATE INDEX task_enrollment ON task (enrollment_id) WHERE enrollment_id IS NOT NULL;

-- Everything may be paused at once, and so may one account; who was paused since when.
CREATE TABLE pause (
  scope TEXT NOT NULL PRIMARY KEY,
  reason TEXT NOT NULL,
  at BIGINT NOT NULL
);

-- Where a link of a message leads. The text of a link never holds its destination, so that it can't be turned elsewhere.
CREATE TABLE tracked_link (
  message_id UUID NOT NULL REFERENCES message (id),
  n BIGINT NOT NULL,
  url TEXT NOT NULL,
  label TEXT NOT NULL,
  PRIMARY KEY (message_id, n)
);

-- Every hit of a pixel, a link or an unsubscribe page, with the evidence a verdict is made from; no network address is kept.
CREATE TABLE hit (
  id UUID NOT NULL PRIMARY KEY,
  message_id UUID NOT NULL,
  influencer_id UUID,
  kind TEXT NOT NULL,
  link BIGINT,
  at BIGINT NOT NULL,
  method TEXT NOT NULL,
  agent TEXT NOT NULL,
  network TEXT,
  hints JSONB,
  verdict TEXT,
  confidence DOUBLE PRECISION,
  reasons JSONB,
  judged_at BIGINT,
  judge BIGINT
);
CREATE INDEX hit_message ON hit (message_id, at);
CREATE INDEX hit_unjudged ON hit (at, id) WHERE judged_at IS NULL;

CREATE TABLE signing_key (
  name TEXT NOT NULL PRIMARY KEY,
  key BYTEA NOT NULL,
  at BIGINT NOT NULL
);

ALTER TABLE outbox ADD COLUMN enrollment_id UUID REFERENCES enrollment (id);
ALTER TABLE outbox ADD COLUMN step TEXT;
ALTER TABLE outbox ADD COLUMN clean_hash BYTEA REFERENCES raw (hash);
CREATE UNIQUE INDEX outbox_step ON outbox (enrollment_id, step) WHERE enrollment_id IS NOT NULL;

ALTER TABLE influencer ADD COLUMN hold_reason TEXT;
ALTER TABLE influencer ADD COLUMN hold_by_hand BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE influencer ADD COLUMN waiting_until BIGINT;
ALTER TABLE influencer ADD COLUMN merged_into UUID;

ALTER TABLE event ADD COLUMN enrollment_id UUID;
ALTER TABLE event ADD COLUMN machine BOOLEAN;
CREATE INDEX event_type ON event (type, at, id);

ALTER TABLE account ADD COLUMN sending_since BIGINT;

-- Limits look at reservations now.
DROP INDEX outbox_handed;
-- Hits of one message beyond what is kept in a minute: how many there were.
CREATE TABLE hit_surplus (
  message_id UUID NOT NULL PRIMARY KEY,
  hits BIGINT NOT NULL,
  last_at BIGINT NOT NULL
);

-- Who is still to be written to at an address, for when they say no.
CREATE INDEX outbox_recipient_open ON outbox_recipient (address_key) WHERE state IN ('pending', 'deferred');
CREATE INDEX task_message ON task (message_id, kind) WHERE message_id IS NOT NULL;
CREATE INDEX task_listed ON task (state, COALESCE(due_at, 9223372036854775807), id);

-- What went wrong with the message of a step: counted per step and variant, and a sequence pauses by it.
ALTER TABLE enrollment_step ADD COLUMN bounced_at BIGINT;
ALTER TABLE enrollment_step ADD COLUMN complained_at BIGINT;
ALTER TABLE enrollment_step ADD COLUMN opted_out_at BIGINT;
CREATE INDEX enrollment_step_sent ON enrollment_step (completed_at) WHERE state = 'sent';
CREATE INDEX enrollment_step_bounced ON enrollment_step (bounced_at) WHERE bounced_at IS NOT NULL;
CREATE INDEX enrollment_listed ON enrollment (sequence, id);

-- Two records of one person that somebody joined: who went into whom, and what is needed to take every row back.
CREATE TABLE merge_record (
  id UUID NOT NULL PRIMARY KEY,
  kept UUID NOT NULL REFERENCES influencer (id),
  gone UUID NOT NULL REFERENCES influencer (id),
  by TEXT NOT NULL,
  at BIGINT NOT NULL,
  undone_at BIGINT,
  data JSONB NOT NULL
);
CREATE UNIQUE INDEX merge_record_gone ON merge_record (gone) WHERE undone_at IS NULL;
CREATE INDEX merge_record_kept ON merge_record (kept, at) WHERE undone_at IS NULL;
