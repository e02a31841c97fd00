"""Reads the archive of a table with Spark and compares every value with barn's own answer, as readers.py does.

    spark.py FOLDER ANSWER.parquet KEY,KEY,…
"""
import pathlib
import sys

import pyarrow
from pyspark.sql import SparkSession

from readers import compare, expected_answer, logical

folder, keys = pathlib.Path(sys.argv[1]).resolve(), sys.argv[3].split(",")
expected = expected_answer(sys.argv[2], keys)
settings = {
    "spark.master": "local[2]",
    "spark.ui.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    # One schema for one dataset; a table of several is read dataset by dataset.
    "spark.sql.parquet.mergeSchema": "false",
}
builder = SparkSession.builder
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
frames = []
for place in sorted({path.parent for path in folder.rglob("*.parquet")}):
    frame = spark.read.option("basePath", str(folder)).parquet(str(place)).toArrow()
    columns = [logical(frame[field.name], field.type) for field in expected.schema]
    frames.append(pyarrow.table(columns, schema=expected.schema))
compare("spark", pyarrow.concat_tables(frames), expected, keys)
print(f"{expected.num_rows} rows, {len(frames)} datasets")
