-- What was asked with an Idempotency-Key, so that the same request again does nothing more. The state is written in the
-- transaction of the effect: running (nothing is kept yet), done (it is), answered (and so is the answer).
CREATE TABLE idempotency (
  token_id BLOB NOT NULL REFERENCES api_token (id),
  key TEXT NOT NULL,
  request BLOB NOT NULL,
  attempt BLOB NOT NULL,
  state TEXT NOT NULL,
  begun_at INTEGER NOT NULL,
  status INTEGER,
  media TEXT,
  answer BLOB,
  PRIMARY KEY (token_id, key)
) STRICT;
CREATE INDEX idempotency_begun ON idempotency (begun_at);
