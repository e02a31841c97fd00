-- Answers. The body stands last, so that a look at the rest does not read it.
CREATE TABLE entries (
    id INTEGER NOT NULL PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    status INTEGER NOT NULL,
    headers TEXT NOT NULL,
    codec INTEGER NOT NULL,
    size INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    fetched_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
-- Holds all that eviction looks at.
CREATE INDEX entries_used ON entries (used_at, stored);

-- The state of each limit of a provider, as JSON.
CREATE TABLE limits (
    name TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Sources that refuse us until a time.
CREATE TABLE bans (
    source TEXT NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
