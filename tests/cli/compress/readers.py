"""Reads the archive of a table with pyarrow, DuckDB and polars, and compares every value with the answer that
barn itself gave, bit for bit.

    readers.py FOLDER ANSWER.parquet KEY,KEY,…
"""
import pathlib
import sys
import urllib.parse

import duckdb
import numpy
import polars
import pyarrow
import pyarrow.compute as compute
import pyarrow.dataset
import pyarrow.parquet as parquet

TEXT = pyarrow.large_string()


def logical(column, kind):
    """Returns a column as the type that it has in the table; a value that this type does not hold is an error."""
    if isinstance(column, pyarrow.ChunkedArray):
        column = column.combine_chunks()
    if pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if kind != pyarrow.float64() or column.type == kind:
        return column.cast(kind)
    absent = compute.is_null(column).to_numpy(zero_copy_only=False)
    if pyarrow.types.is_decimal(column.type):
        # One division of the whole number: pyarrow's own cast is off by one place for one value in seven.
        words = numpy.frombuffer(column.buffers()[1], dtype="<i8")[2 * column.offset :][: 2 * len(column)]
        assert (words[1::2][~absent] == words[::2][~absent] >> 63).all(), "a decimal of more than 18 digits"
        numbers = words[::2].astype("f8") / 10.0**column.type.scale
    else:
        numbers = column.fill_null(0).to_numpy(zero_copy_only=False).astype("f8")
    return pyarrow.array(numbers, mask=absent)


def bits(column):
    return column.view(pyarrow.int64()) if column.type == pyarrow.float64() else column


def ordered(frame, schema, keys):
    missing = set(schema.names) ^ set(frame.column_names)
    assert not missing, f"columns differ: {sorted(missing)}"
    columns = [logical(frame[field.name], field.type) for field in schema]
    frame = pyarrow.table(columns, schema=schema)
    order = [(key, "ascending", "at_start") for key in keys]
    return frame.take(compute.sort_indices(frame, sort_keys=order))


def compare(reader, frame, expected, keys):
    frame = ordered(frame, expected.schema, keys)
    assert frame.num_rows == expected.num_rows, f"{reader}: {frame.num_rows} rows, expected {expected.num_rows}"
    for name in expected.column_names:
        found, wanted = bits(frame[name].combine_chunks()), bits(expected[name].combine_chunks())
        if not found.equals(wanted):
            place = next(at for at in range(len(found)) if found[at] != wanted[at])
            row = {key: expected[key][place].as_py() for key in keys}
            raise SystemExit(
                f"{reader}: column '{name}' has {frame[name][place]}, expected {expected[name][place]}, at {row}"
            )


ALLOWED = {
    "BOOLEAN": {"bool"},
    "INT32": {"int32", "date32[day]"},
    "INT64": {"int64", "timestamp[us, tz=UTC]"},
    "FLOAT": {"float"},
    "DOUBLE": {"double"},
    "BYTE_ARRAY": {"string"},
}


def check_types(path):
    """The types that every reader knows, and no note that only Arrow's readers follow."""
    file = parquet.ParquetFile(path)
    assert b"ARROW:schema" not in (file.metadata.metadata or {}), path
    for at, field in enumerate(file.schema_arrow):
        column = file.schema.column(at)
        assert column.max_repetition_level == 0 and column.path == field.name, field
        if pyarrow.types.is_decimal(field.type):
            assert field.type.precision <= 18 and column.physical_type in ("INT32", "INT64"), field
        else:
            assert str(field.type) in ALLOWED[column.physical_type], f"{field}: {column.physical_type}"
    used = {
        encoding
        for group in range(file.metadata.num_row_groups)
        for at in range(file.metadata.num_columns)
        for encoding in file.metadata.row_group(group).column(at).encodings
    }
    assert used <= {"PLAIN", "RLE", "RLE_DICTIONARY", "DELTA_BINARY_PACKED"}, used
    return file.schema_arrow


def dataset_of(path, folder):
    """Returns the dataset columns of a file, which are in its path alone."""
    parts = path.relative_to(folder).parts[:-1]
    return {name: urllib.parse.unquote(value) for name, value in (part.split("=", 1) for part in parts)}


def by_file(paths, folder):
    frames = []
    for path in paths:
        frame = parquet.read_table(path, partitioning=None)
        for name, value in dataset_of(path, folder).items():
            frame = frame.append_column(name, pyarrow.array([value] * frame.num_rows, TEXT))
        frames.append(frame)
    return pyarrow.concat_tables(frames)


def by_pyarrow(paths, folder):
    hive = pyarrow.dataset.partitioning(
        pyarrow.schema([(name, pyarrow.string()) for name in dataset_of(paths[0], folder)]), flavor="hive"
    )
    dataset = pyarrow.dataset.dataset(
        [str(path) for path in paths], partitioning=hive, partition_base_dir=str(folder), format="parquet"
    )
    return dataset.to_table()


def by_duckdb(pattern, doubles, options=""):
    store = duckdb.connect()
    store.execute("SET TimeZone = 'UTC'")
    casts = ", ".join(f'CAST("{name}" AS DOUBLE) AS "{name}"' for name in doubles)
    replaced = f" REPLACE ({casts})" if casts else ""
    pattern = str(pattern).replace("'", "''")
    hive = f"hive_partitioning = true, hive_types_autocast = false{options}"
    return store.sql(f"SELECT *{replaced} FROM read_parquet('{pattern}', {hive})").to_arrow_table()


def by_polars(pattern, names, doubles):
    frame = polars.scan_parquet(
        pattern, hive_partitioning=True, hive_schema={name: polars.String for name in names}, try_parse_hive_dates=False
    )
    return frame.with_columns(polars.col(doubles).cast(polars.Float64)).collect().to_arrow()


def expected_answer(path, keys):
    answer = parquet.read_table(path)
    plain = {pyarrow.string(): TEXT, pyarrow.string_view(): TEXT}
    schema = pyarrow.schema([(field.name, plain.get(field.type, field.type)) for field in answer.schema])
    return ordered(answer, schema, keys)


def main():
    folder, keys = pathlib.Path(sys.argv[1]), sys.argv[3].split(",")
    expected = expected_answer(sys.argv[2], keys)
    schema = expected.schema
    doubles = [field.name for field in schema if field.type == pyarrow.float64()]
    datasets = {}
    for path in sorted(folder.rglob("*.parquet")):
        datasets.setdefault(path.parent, []).append(path)
    found = {"pyarrow, file by file": [], "pyarrow": [], "duckdb": [], "polars": []}
    for place, paths in datasets.items():
        schemas = [check_types(path) for path in paths]
        assert all(other.equals(schemas[0]) for other in schemas), f"{place}: its files have several schemas"
        found["pyarrow, file by file"].append(by_file(paths, folder))
        found["pyarrow"].append(by_pyarrow(paths, folder))
        found["duckdb"].append(by_duckdb(place / "*.parquet", doubles))
        found["polars"].append(by_polars(place / "*.parquet", list(dataset_of(paths[0], folder)), doubles))
    for reader, frames in found.items():
        frames = [pyarrow.table([logical(frame[field.name], field.type) for field in schema], schema=schema) for frame in frames]
        compare(reader, pyarrow.concat_tables(frames), expected, keys)
    # The datasets of a table may differ in their types; their columns are united by name.
    compare("duckdb, all", by_duckdb(folder / "**/*.parquet", doubles, ", union_by_name = true"), expected, keys)
    print(f"{expected.num_rows} rows, {len(datasets)} datasets, {sum(map(len, datasets.values()))} files")


if __name__ == "__main__":
    main()
