-- Accounts that a person signed in to with OAuth: what renews the sign-in and what signs in, both sealed.
CREATE TABLE login (
  account TEXT NOT NULL PRIMARY KEY,
  provider TEXT NOT NULL,
  address TEXT NOT NULL,
  refresh_sealed BYTEA NOT NULL,
  access_sealed BYTEA,
  renew_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  version BIGINT NOT NULL,
  signed_in_at BIGINT NOT NULL,
  renewed_at BIGINT NOT NULL,
  refused_at BIGINT,
  refused_why TEXT
);

-- Sign-ins that began: known by the hash of the state that comes back, good once.
CREATE TABLE login_pending (
  state_hash BYTEA NOT NULL PRIMARY KEY,
  account TEXT NOT NULL,
  provider TEXT NOT NULL,
  address TEXT NOT NULL,
  verifier_sealed BYTEA NOT NULL,
  redirect_uri TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at BIGINT,
  finished_at BIGINT,
  failure TEXT
);
CREATE INDEX login_pending_expires ON login_pending (expires_at);
