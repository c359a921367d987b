"""The lines of a manifest as text, and rows of cells made of them; neither takes more memory than a
row may."""

import csv
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, NamedTuple

LONGEST_LINE = 2**20
LONG_LINE = "the line has over 1 million characters."
_BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


class LongLine(Exception):
    """A line of excessive length, which is not kept in memory."""


def decoded(file: BinaryIO) -> io.TextIOWrapper:
    """Return a file as text, decoded according to its first bytes; invalid UTF-8 is preserved."""
    head = file.read(4)
    file.seek(0)
    encoding = next((name for bom, name in _BOMS if head.startswith(bom)), None)
    if encoding is None and b"\0" in head:
        encoding = "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    escape = "replace" if encoding and encoding.startswith("utf-16") else "surrogateescape"
    return io.TextIOWrapper(file, encoding or "utf-8", errors=escape, newline="")


class Lines:
    """Lines with their ends, whichever they are, and their numbers. Some can be given back.

    `number`: of the line that came last.
    """

    def __init__(self, text: io.TextIOWrapper, check: Callable[[], None]) -> None:
        self._text = text
        self._check = check
        self._back: deque[str] = deque()
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """Return the next line. Raises LongLine, after which reading may continue."""
        self._check()
        line = self._back.popleft() if self._back else self._text.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) >= LONGEST_LINE:
            while line and not line.endswith(("\n", "\r")):
                self._check()
                line = self._text.readline(LONGEST_LINE)
            raise LongLine
        return line

    def give_back(self, lines: Iterable[str]) -> None:
        block = list(lines)
        self._back.extendleft(reversed(block))
        self.number -= len(block)


class Record(NamedTuple):
    number: int
    cells: list[str]
    error: str | None


class Records:
    """Rows of cells. After one that can't be read, the next begins on the line behind its first:
    one quote too many costs one row, not all that follow."""

    def __init__(self, lines: Lines, delimiter: str) -> None:
        self._lines = lines
        self._reader = csv.reader(
            _Noting(lines, self), delimiter=delimiter, strict=True, skipinitialspace=True
        )
        self.read: list[str] = []
        """The lines of the row that came last."""

    def next(self) -> Record | None:
        self.read = []
        start = self._lines.number + 1
        try:
            cells = next(self._reader)
        except StopIteration:
            return None
        except LongLine:
            number = self._lines.number
            self._lines.give_back(self.read[1:])
            return Record(number, [], LONG_LINE)
        except csv.Error as error:
            self._lines.give_back(self.read[1:])
            reason = str(error)
            if "unexpected end" in reason or "field larger" in reason:
                limit = csv.field_size_limit()
                reason = f"a quote is not closed, or a cell has over {limit:,} characters"
            return Record(start, [], f"this is not CSV: {reason}.")
        return Record(start, cells, None)


class _Noting:
    """Lines that a reader takes. Not a generator, which would be at its end once it raised."""

    def __init__(self, lines: Lines, records: Records) -> None:
        self._lines = lines
        self._records = records

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._records.read.append(line)
        return line
