-- The ranges of time that were asked of a source, half open; what is in no row was never asked.
CREATE TABLE coverage (
    table_name TEXT NOT NULL,
    source TEXT NOT NULL,
    variant TEXT NOT NULL,
    symbol TEXT NOT NULL,
    timeframe TEXT NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('have', 'empty', 'unavailable', 'dropped')),
    rows INTEGER NOT NULL CHECK (rows >= 0),
    fetched_at INTEGER NOT NULL,
    PRIMARY KEY (table_name, source, variant, symbol, timeframe, start),
    CHECK (start < stop)
) STRICT, WITHOUT ROWID;

-- The ranges of time that somebody wanted, half open: what of them is in no coverage is asked again when a fetch
-- goes on where an earlier one was stopped or failed.
CREATE TABLE wanted (
    table_name TEXT NOT NULL,
    source TEXT NOT NULL,
    variant TEXT NOT NULL,
    symbol TEXT NOT NULL,
    timeframe TEXT NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    PRIMARY KEY (table_name, source, variant, symbol, timeframe, start),
    CHECK (start < stop)
) STRICT, WITHOUT ROWID;
