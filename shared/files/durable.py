"""Files that are there whole or not at all, also after a power cut.

Publish order: temporary file -> fsync -> rename -> fsync of the folder.
"""

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shared.core import failpoints

_CHUNK = 1 << 20
TEMPORARY_SUFFIX = ".tmp"


def fsync_dir(folder: Path) -> None:
    """Makes the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def fsync_file(path: Path) -> None:
    """Makes a file's bytes durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_dir(folder: Path) -> None:
    """Makes a folder and its parents, durably."""
    missing = [folder, *folder.parents]
    for part in reversed([p for p in missing if not p.exists()]):
        part.mkdir(exist_ok=True)
        fsync_dir(part.parent)


def temporary_of(path: Path) -> Path:
    """Return an unused path beside another, which `remove_temporaries` cleans up."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}")


@contextmanager
def publishing(path: Path, what: str = "file") -> Iterator[Path]:
    """Context manager with a temporary path; at the end of the block it becomes `path`.

    If the block raises, the temporary file is removed and `path` is unchanged. `what`: name of the
    steps' failpoints.
    """
    make_dir(path.parent)
    temporary = temporary_of(path)
    try:
        failpoints.reach(f"{what}.begin")
        yield temporary
        failpoints.reach(f"{what}.written")
        fsync_file(temporary)
        failpoints.reach(f"{what}.synced")
        temporary.replace(path)
        failpoints.reach(f"{what}.renamed")
        fsync_dir(path.parent)
        failpoints.reach(f"{what}.durable")
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def write_bytes(path: Path, data: bytes, what: str = "file") -> None:
    """Writes a file whole or not at all."""
    with publishing(path, what) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str, what: str = "file") -> None:
    """Writes a UTF-8 file whole or not at all."""
    write_bytes(path, text.encode(), what)


def remove_temporaries(folder: Path) -> int:
    """Remove partial files of a killed process below a folder; return their number."""
    left = list(folder.rglob(f".*{TEMPORARY_SUFFIX}")) if folder.exists() else []
    for path in left:
        path.unlink()
    return len(left)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
