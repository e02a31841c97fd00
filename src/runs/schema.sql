-- What commands did. Times are microseconds, sizes bytes; `kind` is the line without what does not change the work.
CREATE TABLE run (
    id INTEGER NOT NULL PRIMARY KEY,
    command TEXT NOT NULL,
    line TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    label TEXT,
    host TEXT NOT NULL,
    cores INTEGER NOT NULL,
    version TEXT NOT NULL,
    started INTEGER NOT NULL,
    exit_code INTEGER NOT NULL,
    error TEXT,
    wall INTEGER NOT NULL,
    cpu INTEGER NOT NULL,
    stalled INTEGER NOT NULL,
    memory INTEGER NOT NULL,
    disk INTEGER NOT NULL,
    written INTEGER NOT NULL,
    workers INTEGER NOT NULL,
    rows_in INTEGER NOT NULL,
    rows_out INTEGER NOT NULL,
    bytes_in INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    waited INTEGER NOT NULL,
    memory_hits INTEGER NOT NULL,
    disk_hits INTEGER NOT NULL,
    p50 INTEGER,
    p90 INTEGER,
    p99 INTEGER,
    max INTEGER,
    sql TEXT,
    plan TEXT
) STRICT;
CREATE INDEX run_command ON run (command);
CREATE INDEX run_label ON run (label) WHERE label IS NOT NULL;

-- How many runs ever ended how: these only grow, while the runs themselves are forgotten.
CREATE TABLE total (
    command TEXT NOT NULL,
    exit_code INTEGER NOT NULL,
    runs INTEGER NOT NULL,
    PRIMARY KEY (command, exit_code)
) STRICT, WITHOUT ROWID;

-- The newest queries as they were asked, each text once.
CREATE TABLE recent (
    id INTEGER NOT NULL PRIMARY KEY,
    sql TEXT NOT NULL UNIQUE,
    micros INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;

CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
