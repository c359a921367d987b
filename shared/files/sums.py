"""The SHA-256 of a file, kept beside it in the form that `sha256sum --check` reads.

    00000001.npy
    00000001.npy.sha256     "<hex>  00000001.npy"

The sum is written first, so that a file is never there without one. Files of older versions have
none, and are taken as they are.
"""

from collections.abc import Callable
from pathlib import Path

from shared.core.errors import Corrupt
from shared.files import durable

SUFFIX = ".sha256"


def path_of(path: Path) -> Path:
    """Return the path of a file's checksum."""
    return path.with_name(path.name + SUFFIX)


def write(path: Path, sha256: str, what: str = "sum") -> None:
    """Keeps the sum of a file that is about to take its name."""
    durable.write_text(path_of(path), text(path, sha256), what)


def text(path: Path, sha256: str) -> str:
    """Return the content of a checksum file."""
    return f"{sha256}  {path.name}\n"


def read(path: Path) -> str | None:
    """Return the stored checksum of a file; None if there is none. Raises Corrupt."""
    beside = path_of(path)
    try:
        sha256, name = beside.read_text().split()
    except FileNotFoundError:
        return None
    except ValueError:
        raise Corrupt(f"{beside} doesn't hold a SHA-256 and a name.") from None
    if name != path.name:
        raise Corrupt(f"{beside} is of {name}.")
    return sha256


def check(path: Path, sha256: str | None = None) -> None:
    """Raise Corrupt if a file is missing or doesn't match its checksum.

    `sha256`: of the file, if known.
    """
    try:
        kept, found = read(path), sha256 or durable.sha256_of(path)
    except FileNotFoundError:
        raise Corrupt(f"{path} is missing.") from None
    if kept not in (None, found):
        raise Corrupt(f"{path} is damaged: its SHA-256 is not the one in {path_of(path).name}.")


class Checked:
    """Files that were found intact, and have not been written to since."""

    def __init__(self) -> None:
        self._states: dict[Path, tuple[int, int, int]] = {}

    def once(self, path: Path, check: Callable[[], object]) -> None:
        """Calls `check`, which raises where a file is damaged, unless it is known to be intact."""
        try:
            stat = path.stat()
        except FileNotFoundError:
            raise Corrupt(f"{path} is missing.") from None
        state = stat.st_ino, stat.st_size, stat.st_mtime_ns
        if self._states.get(path) != state:
            check()
            self._states[path] = state

    def forget(self, path: Path) -> None:
        self._states.pop(path, None)
