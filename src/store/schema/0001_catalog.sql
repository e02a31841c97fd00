-- The tables of the store; `definition` is JSON with the columns as `name type`.
CREATE TABLE catalog (
    name TEXT NOT NULL PRIMARY KEY,
    definition TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row: the number of transactions that changed rows, so that several connections can tell whether
-- they look at the same state.
CREATE TABLE state (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    generation INTEGER NOT NULL
) STRICT;
INSERT INTO state VALUES (1, 0);

-- Rows that could not be stored. `content` tells two files of one path apart.
CREATE TABLE rejects (
    id INTEGER NOT NULL PRIMARY KEY,
    table_name TEXT NOT NULL,
    path TEXT NOT NULL,
    content TEXT NOT NULL,
    line INTEGER NOT NULL,
    reason TEXT NOT NULL,
    raw TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX rejects_path ON rejects (table_name, path, content);
