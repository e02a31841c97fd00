-- The Parquet files that hold the history of tables. `path` is relative to the folder `archive`; `series_min` and
-- `series_max` are the encoded keys of a file's first and last series in the order of the keys; `blocks` has eight
-- bytes of the BLAKE3 of each 64 KiB, so that a reader checks what it reads without reading the rest.
CREATE TABLE manifest (
    id INTEGER NOT NULL PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    table_name TEXT NOT NULL,
    dataset TEXT NOT NULL,
    version INTEGER NOT NULL,
    rows INTEGER NOT NULL CHECK (rows > 0),
    ts_min INTEGER NOT NULL,
    ts_max INTEGER NOT NULL,
    series_min BLOB NOT NULL,
    series_max BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    blake3 BLOB NOT NULL,
    blocks BLOB NOT NULL
) STRICT;
CREATE INDEX manifest_table ON manifest (table_name, dataset, ts_min);

-- How the columns of a dataset lie in its newest files, as JSON. Files of an earlier version have narrower types.
CREATE TABLE dataset (
    table_name TEXT NOT NULL,
    dataset TEXT NOT NULL,
    version INTEGER NOT NULL,
    columns TEXT NOT NULL,
    PRIMARY KEY (table_name, dataset)
) STRICT, WITHOUT ROWID;

-- Tables whose rows are being archived, while triggers note the keys that others write (an empty path), and the files
-- that are about to get their places.
CREATE TABLE publishing (
    table_name TEXT NOT NULL,
    path TEXT NOT NULL,
    PRIMARY KEY (table_name, path)
) STRICT, WITHOUT ROWID;

-- What tells this store from another at the same place, for results kept outside of it.
ALTER TABLE state ADD COLUMN identity BLOB NOT NULL DEFAULT x'';
UPDATE state SET identity = randomblob(16);
