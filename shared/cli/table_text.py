"""Tables and lines of text that can't steer a terminal."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from rich import box
from rich.table import Table
from rich.text import Text

from shared.core.printable import escaped

_LIST_SHOWN = 8


def fields(pairs: Iterable[tuple[str, Any]]) -> Text:
    """Return names and values, one pair a line; nested values are indented."""
    lines = list(_lines(pairs))
    width = max((len(name) for name, _ in lines), default=0)
    return Text("\n").join(plain(f"{name:<{width}}  {value}".rstrip()) for name, value in lines)


def _lines(pairs: Iterable[tuple[str, Any]], indent: str = "") -> Iterator[tuple[str, str]]:
    for name, value in pairs:
        nested = isinstance(value, dict)
        yield indent + name.replace("_", " "), "" if nested else _text(value)
        if nested:
            yield from _lines(value.items(), indent + "  ")


def plain(value: object) -> Text:
    """Text in one line that can't steer a terminal: a file's name may hold any character."""
    return Text(escaped(str(value)))


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, list):
        shown = (
            value if len(value) <= _LIST_SHOWN else [*value[: _LIST_SHOWN - 1], "...", value[-1]]
        )
        return ", ".join(_text(inner) for inner in shown) or "-"
    return str(value)


def table_of(columns: Iterable[str], numbers: Iterable[str] = ()) -> Table:
    """Return an empty table. numbers: columns that stand to the right."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        justify: Literal["right", "left"] = "right" if column in numbers else "left"
        # Never wrap an id, however narrow the screen, because ids are copied.
        table.add_column(column, justify=justify, overflow="fold", no_wrap=column == "id")
    return table


def add_row(table: Table, *parts: Iterable[object]) -> None:
    """Add a row, whose cells may come in several parts."""
    table.add_row(*(plain(value) for part in parts for value in part))
