"""Answers SQL statements over a CSV of bars with DuckDB: a JSON list of lists of objects."""
import datetime
import decimal
import json
import sys

import duckdb

csv, statements = sys.argv[1], json.load(open(sys.argv[2]))
store = duckdb.connect()
store.execute("SET TimeZone = 'UTC'")
store.execute(
    "CREATE TABLE bars AS SELECT 'file' AS source, symbol, '1m' AS timeframe, make_timestamp(ts * 1000000) AS ts,"
    " open, high, low, close, CAST(volume AS DOUBLE) AS volume FROM read_csv(?, header = true, types = {"
    "'ts': 'BIGINT', 'symbol': 'VARCHAR', 'open': 'DOUBLE', 'high': 'DOUBLE', 'low': 'DOUBLE', 'close': 'DOUBLE',"
    " 'volume': 'DOUBLE'})",
    [csv],
)


def cell(value):
    if isinstance(value, datetime.datetime):
        return value.isoformat() + "Z"
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return float(value)
    return value


def answer(sql):
    result = store.execute(sql)
    names = [column[0] for column in result.description]
    return [{name: cell(value) for name, value in zip(names, row)} for row in result.fetchall()]


json.dump([answer(sql) for sql in statements], sys.stdout)
