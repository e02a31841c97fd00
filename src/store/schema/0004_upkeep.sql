-- Files of the archive that others have taken the place of, with the time when that was: queries that began before
-- may still read them for a while.
CREATE TABLE superseded (
    path TEXT NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What changed in tables that rollups are made of, half open, since each rollup was last made.
CREATE TABLE changes (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    table_name TEXT NOT NULL,
    series INTEGER NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL
) STRICT;
CREATE INDEX changes_series ON changes (table_name, series);

-- The rollups that were made: by which definition, and up to which change.
CREATE TABLE rollup (
    name TEXT NOT NULL PRIMARY KEY,
    definition TEXT NOT NULL,
    seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
