"""Opens users' files safely: regular files only, and none outside the roots."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from shared.core.errors import Forbidden
from shared.objects.local_path import readable

Roots = Sequence[Path] | None
"""Folders that files must lie in; None: they may lie anywhere."""

# Without O_NONBLOCK, opening a pipe blocks until somebody writes to it.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# O_PATH can pass through a folder that may not be listed.
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
_PSEUDO = (Path("/proc"), Path("/sys"))


class NotAFile(OSError):
    """A folder, a pipe, or something else that isn't read."""


@contextmanager
def open_file(path: Path, roots: Roots = None) -> Iterator[BinaryIO]:
    """Open a file for reading. Raises OSError, NotAFile, and Forbidden for one outside the roots.

    The roots hold for the file that is open, whatever is renamed or linked meanwhile: the path is
    resolved, and then walked from its root without following a link.
    """
    try:
        is_path = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        is_path = False
    if not is_path:
        raise FileNotFoundError(2, "no file can have such a name", str(path))
    descriptor = os.open(path, _FLAGS) if roots is None else _beneath(path, roots)
    try:
        status = os.fstat(descriptor)
        if not S_ISREG(status.st_mode) or status.st_dev in _pseudo_devices():
            raise NotAFile(22, "it is not a regular file", str(path))
        file = os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
    with file:
        yield file


def _beneath(path: Path, roots: Sequence[Path]) -> int:
    if not roots:
        raise outside(path)
    real = Path(os.path.realpath(path, strict=True))
    root = next((top for top in map(Path.resolve, roots) if real.is_relative_to(top)), None)
    if root is None:
        raise outside(path)
    if real == root:
        return os.open(real, _FLAGS | os.O_NOFOLLOW)
    *folders, name = real.relative_to(root).parts
    at = os.open(root, _FOLDER)
    try:
        for folder in folders:
            below = os.open(folder, _FOLDER | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        return os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=at)
    finally:
        os.close(at)


def outside(path: object) -> Forbidden:
    """Return the error for a file or folder outside the roots."""
    return Forbidden(
        f"{readable(str(path))} is not in an allowed folder. Add its folder to ISE_INGEST_ROOTS."
    )


@cache
def _pseudo_devices() -> frozenset[int]:
    """Return the devices of file systems whose files are the kernel's answers, not pictures."""
    top = Path("/").stat().st_dev
    found = {path.stat().st_dev for path in _PSEUDO if path.is_dir()}
    return frozenset(found - {top})
