"""The catalogue as a table: CSV, or Parquet where pyarrow is installed."""

import csv
import io
import json
from typing import IO, Any, Protocol

from shared.contracts.features import ExportedRecord
from shared.core.errors import Conflict

_COLUMNS = ("id", "uris", "tags", "metadata", "sha256", "bytes", "created_at")
_ROWS = 10_000


class Table(Protocol):
    """Rows go in one after the other; `close` gives the file whole."""

    def add(self, record: ExportedRecord) -> None: ...

    def close(self) -> IO[bytes]: ...


class CsvTable:
    """UTF-8, commas, one header line; what has several values is JSON in its cell."""

    def __init__(self, file: IO[bytes]) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        self._rows = csv.writer(self._text)
        self._rows.writerow(_COLUMNS)

    def add(self, record: ExportedRecord) -> None:
        values = (getattr(record, name) for name in _COLUMNS)
        self._rows.writerow(_json(v) if isinstance(v, list | dict) else v for v in values)

    def close(self) -> IO[bytes]:
        self._text.flush()
        return self._text.detach()


class ParquetTable:
    """`uris` and `tags` are lists of strings, `metadata` is JSON."""

    def __init__(self, file: IO[bytes]) -> None:
        """Raises Conflict where pyarrow is not installed."""
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise Conflict(
                "A Parquet file needs pyarrow, which is not installed with the indexer: `pip "
                "install 'image-search-engine[parquet]'`. The CSV has the same."
            ) from None
        text, texts = pyarrow.string(), pyarrow.list_(pyarrow.string())
        kinds = {"uris": texts, "tags": texts, "bytes": pyarrow.int64()}
        self._schema = pyarrow.schema([(name, kinds.get(name, text)) for name in _COLUMNS])
        self._table_of = pyarrow.Table.from_pylist
        self._file = file
        self._writer = pyarrow.parquet.ParquetWriter(file, self._schema)
        self._rows: list[dict[str, Any]] = []

    def add(self, record: ExportedRecord) -> None:
        row = {name: getattr(record, name) for name in _COLUMNS}
        self._rows.append(row | {"metadata": _json(record.metadata)})
        if len(self._rows) == _ROWS:
            self._write()

    def close(self) -> IO[bytes]:
        self._write()
        self._writer.close()
        return self._file

    def _write(self) -> None:
        self._writer.write_table(self._table_of(self._rows, schema=self._schema))
        self._rows = []


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
