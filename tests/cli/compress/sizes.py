"""Writes rows as Parquet with pyarrow, polars and DuckDB at zstd 9, and prints what each takes, as JSON.

    sizes.py ROWS.parquet COLUMN,…    the columns that are left out
"""
import json
import os
import sys
import tempfile

import duckdb
import polars
import pyarrow.parquet as parquet

frame = parquet.read_table(sys.argv[1]).drop_columns([name for name in sys.argv[2].split(",") if name])
sizes = {}
with tempfile.TemporaryDirectory() as folder:
    path = f"{folder}/x.parquet"

    def note(program):
        sizes[program] = min(os.path.getsize(path), sizes.get(program, 1 << 62))

    parquet.write_table(frame, path, compression="zstd", compression_level=9)
    note("pyarrow")
    polars.from_arrow(frame).write_parquet(path, compression="zstd", compression_level=9)
    note("polars")
    for version in ("V1", "V2"):
        duckdb.sql(
            f"COPY frame TO '{path}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 9, PARQUET_VERSION {version})"
        )
        note("duckdb")
json.dump(sizes, sys.stdout)
