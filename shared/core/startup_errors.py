"""Reasons why a service can't start: its last lines, each a sentence behind a mark.

By the mark, `ise up` distinguishes them from other output, and shows them once all services have
ended.
"""

import sys
from collections.abc import Iterable

from shared.core.printable import escaped

MARK = "error: "


def say(sentence: str) -> None:
    """Writes a sentence to standard error, in one line."""
    sys.stderr.write(f"{MARK}{escaped(' '.join(sentence.splitlines()))}\n")


def heard(lines: Iterable[str]) -> list[str]:
    """The sentences among the lines that a service wrote."""
    return [line.removeprefix(MARK) for line in lines if line.startswith(MARK)]
