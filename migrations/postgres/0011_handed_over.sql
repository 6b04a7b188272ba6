-- How many messages each account has handed over, counted in the transaction that marks them. A state directory that has seen
-- more than a database knows of has an older copy before it. A release begins a new era: it goes up by far.
CREATE TABLE handed_over (
  account TEXT NOT NULL PRIMARY KEY,
  count BIGINT NOT NULL
);
