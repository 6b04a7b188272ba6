-- Most addresses are nobody's agent's: an index without those stays small, and statistics of it speak of agents.
DROP INDEX address_agent;
CREATE INDEX address_agent ON address (agent_id) WHERE agent_id IS NOT NULL;
