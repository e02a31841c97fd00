"""Answers SQL statements with DuckDB over the CSV files of a folder.

Writes a JSON list: for each statement a list of objects, or an object with its error.
"""
import datetime
import decimal
import json
import math
import sys

import duckdb

BAR_VALUES = ["open", "high", "low", "close", "volume", "adj_close", "vwap"]
# For each table its files, where a later row takes the place of an earlier one with the same key; its key; its columns.
TABLES = {
    "bars": (
        ["minutes.csv", "bars.csv", "bars_late.csv"],
        ["source", "symbol", "timeframe", "ts"],
        {
            "source": "VARCHAR",
            "symbol": "VARCHAR",
            "timeframe": "VARCHAR",
            "ts": "TIMESTAMP",
            **dict.fromkeys(BAR_VALUES, "DOUBLE"),
            "trades": "BIGINT",
            "open_interest": "DOUBLE",
            "final": "BOOLEAN",
        },
    ),
    "trades": (
        ["trades.csv"],
        ["source", "symbol", "ts", "seq"],
        {
            "source": "VARCHAR",
            "symbol": "VARCHAR",
            "ts": "TIMESTAMP",
            "seq": "BIGINT",
            "price": "DOUBLE",
            "size": "DOUBLE",
            "side": "VARCHAR",
            "trade_id": "VARCHAR",
        },
    ),
    "notes": (
        ["notes.csv", "notes_late.csv"],
        ["symbol", "ts"],
        {
            "symbol": "VARCHAR",
            "ts": "TIMESTAMP",
            "title": "VARCHAR",
            "tag": "VARCHAR",
            "amount": "BIGINT",
            "rate": "DOUBLE",
            "ok": "BOOLEAN",
            "due": "DATE",
            "level": "BIGINT",
        },
    ),
    "holdings": (
        ["holdings.csv"],
        ["symbol", "account"],
        {"symbol": "VARCHAR", "account": "VARCHAR", "shares": "BIGINT", "cost": "DOUBLE", "since": "DATE"},
    ),
}
# What barn puts where a file has no such column.
GIVEN = {
    "source": "'file'",
    "timeframe": "'1m'",
    "final": "true",
    "seq": "row_number() OVER (PARTITION BY symbol, ts ORDER BY line) - 1",
}


def value(name, kind, known):
    if name not in known:
        return GIVEN.get(name, "NULL")
    if name == "ts":
        return "coalesce(make_timestamp(try_cast(ts AS BIGINT) * 1000000), try_cast(ts AS TIMESTAMP))"
    text = f'CAST("{name}" AS {kind})'
    # NaN means missing, and zero has no sign.
    return f"CASE WHEN isnan({text}) THEN NULL ELSE {text} + 0.0 END" if kind == "DOUBLE" else text


def load(store, table):
    files, key, columns = TABLES[table]
    parts = []
    for order, file in enumerate(files):
        read = f"read_csv('{file}', header = true, all_varchar = true, allow_quoted_nulls = false)"
        known = [column[0] for column in store.execute(f"DESCRIBE SELECT * FROM {read}").fetchall()]
        values = [f'CAST({value(name, kind, known)} AS {kind}) AS "{name}"' for name, kind in columns.items()]
        lines = f"SELECT *, row_number() OVER () AS line FROM {read}"
        parts.append(f"SELECT {', '.join(values)}, {order} AS place FROM ({lines})")
    names = ", ".join(f'"{name}"' for name in columns)
    store.execute(
        f"CREATE TABLE {table} AS SELECT {names} FROM ({' UNION ALL '.join(parts)})"
        f" QUALIFY row_number() OVER (PARTITION BY {', '.join(key)} ORDER BY place DESC) = 1"
    )


def moment(time):
    if time.microsecond == 0:
        return time.isoformat(timespec="seconds") + "Z"
    return time.isoformat(timespec="milliseconds" if time.microsecond % 1000 == 0 else "microseconds") + "Z"


def cell(value):
    if isinstance(value, datetime.datetime):
        return moment(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, list):
        return [cell(item) for item in value]
    return value


def answer(store, sql):
    try:
        result = store.execute(sql)
    except duckdb.Error as error:
        return {"error": str(error)}
    names = [column[0] for column in result.description]
    return [{name: cell(value) for name, value in zip(names, row)} for row in result.fetchall()]


store = duckdb.connect()
store.execute("SET TimeZone = 'UTC'")
store.execute("SET threads = 2")
for table in TABLES:
    load(store, table)
json.dump([answer(store, sql) for sql in json.load(open(sys.argv[1]))], sys.stdout, default=str)
