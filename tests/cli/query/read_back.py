"""Prints the schema and the rows of a Parquet or Arrow file, as pyarrow reads them."""
import sys
import pyarrow as pa
import pyarrow.parquet

name = sys.argv[1]
if name.endswith(".parquet"):
    table = pa.parquet.read_table(name)
else:
    with pa.OSFile(name) as file:
        try:
            table = pa.ipc.open_file(file).read_all()
        except pa.ArrowInvalid:
            file.seek(0)
            table = pa.ipc.open_stream(file).read_all()


def kind(field):
    # The two spellings of text and of its views are one type to a reader.
    text = str(field.type)
    return "string" if text in ("large_string", "string_view") else text


def cell(value):
    return value.isoformat() if hasattr(value, "isoformat") else repr(value)


print(", ".join(f"{field.name} {kind(field)}" for field in table.schema))
for row in zip(*(column.to_pylist() for column in table.columns)):
    print(" ".join(cell(value) for value in row))
