-- Results of queries. `version` names the state of the store they hold for, `used` grows with every use, and
-- `checksum` is over all that is read. The body stands last, so that a look at the rest does not read it.
CREATE TABLE results (
    id INTEGER NOT NULL PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    version BLOB NOT NULL,
    rows INTEGER NOT NULL,
    size INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    used INTEGER NOT NULL,
    checksum BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;
-- Holds all that eviction looks at.
CREATE INDEX results_used ON results (used, version, stored);
