"""CSV files into the messages of an import.

Every field of a row goes as the text of its column; the server checks them all and names file,
row and field of what is wrong.
"""

import csv
import pathlib

# Tables in the order in which they are sent, and the messages of their rows.
TABLES = {
    "divisions": "DivisionRow",
    "products": "ProductRow",
    "enterprises": "EnterpriseRow",
    "supply": "SupplyRow",
    "tiers": "TierRow",
    "history": "HistoryRow",
}
# Rows of a message: far below the 4 MiB that a message may have.
ROWS = 1000


class Wrong(Exception):
    """The input cannot be used."""


def files(directory):
    """The files that are there, by table."""
    paths = {table: pathlib.Path(directory) / f"{table}.csv" for table in TABLES}
    found = {table: path for table, path in paths.items() if path.is_file()}
    if not found:
        raise Wrong(f"{directory}: has none of {', '.join(f'{table}.csv' for table in TABLES)}")
    return found


def messages(connection, found, id_scheme, mode, base_revision, request_id):
    """The messages of one import: the header, all rows, and the end that makes it count."""
    request = connection.message("ImportRequest")
    tables = connection.enum("Table")
    header = connection.message("ImportHeader")(
        id_scheme=connection.enum("IdScheme")[f"ID_SCHEME_{id_scheme.upper()}"],
        mode=connection.enum("ImportMode")[f"IMPORT_MODE_{mode.upper()}"],
        tables=[tables[f"TABLE_{table.upper()}"] for table in found],
        base_revision=base_revision,
        request_id=request_id,
    )
    yield request(header=header)
    count = 0
    for table, path in found.items():
        for batch in batches(rows(connection, table, path)):
            count += len(batch)
            yield request(rows=connection.message("ImportRows")(**{table: batch}))
    yield request(end=connection.message("ImportEnd")(rows=count))


def rows(connection, table, path):
    """The rows of a file. `row` is the line that a row begins on, for the server's report."""
    row = connection.message(TABLES[table])
    fields = {field.name for field in row.DESCRIPTOR.fields} - {"row", "attributes", "delete"}
    attributes = "attributes" in row.DESCRIPTOR.fields_by_name
    # A byte order mark, as spreadsheets write it, is skipped.
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        columns = next(reader, [])
        for column in columns:
            known = column in fields or column == "_delete"
            if not known and not (attributes and column.startswith("x_")):
                raise Wrong(f"{path.name}: unknown column `{column}`")
        begin = reader.line_num + 1
        for values in reader:
            if values:
                if len(values) != len(columns):
                    raise Wrong(f"{path.name}:{begin}: has {len(values)} fields, not {len(columns)}")
                yield make(row, begin, dict(zip(columns, values, strict=True)))
            begin = reader.line_num + 1


def make(row, number, values):
    """A row's message."""
    message = row(row=number, delete=values.pop("_delete", "") == "true")
    for column, text in values.items():
        if column.startswith("x_"):
            message.attributes[column] = text
        else:
            setattr(message, column, text)
    return message


def batches(rows):
    """So many rows at a time."""
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == ROWS:
            yield batch
            batch = []
    if batch:
        yield batch
