"""Check that a folder can be a data directory: there, writable, roomy, on a fitting file system."""

import errno
import mmap
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from shared.doctor.finding import Finding, ok, problem, warning

_LITTLE = 1 << 30
_LITTLE_SHARE = 0.05
_SUBJECT = "data directory"


def findings(folder: Path) -> Iterator[Finding]:
    """Yield findings on a folder for the indexer, which writes to it."""
    at = folder.absolute()
    if not at.exists():
        parent = next(path for path in at.parents if path.exists())
        if not os.access(parent, os.W_OK | os.X_OK):
            yield problem(_SUBJECT, f"{at} can't be made: {parent} is not writable. {_WAY_OUT}")
        else:
            yield warning(
                _SUBJECT, f"{at} doesn't exist; the indexer makes it. Is ISE_DATA_DIR right?"
            )
        return
    if not at.is_dir():
        yield problem(_SUBJECT, f"{at} is no folder. {_WAY_OUT}")
        return
    yield from _writable(at)
    yield from _private(at)
    yield from _room(at)


_WAY_OUT = "Set ISE_DATA_DIR to a folder that this user may write to."


def _private(folder: Path) -> Iterator[Finding]:
    """New files are private; a folder of an older version, or made by hand, may be open."""
    others = stat.S_IROTH | stat.S_IXOTH
    if folder.stat().st_mode & others:
        yield warning(
            _SUBJECT,
            f"Other users of this machine may look into {folder}: `chmod -R o= {folder}`.",
        )


def _writable(folder: Path) -> Iterator[Finding]:
    """Write a file, because only that detects permissions, read-only mounts and quotas."""
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder) as name:
            fault = _fault(Path(name))
    except OSError as error:
        yield problem(_SUBJECT, f"{folder} can't be written to: {error.strerror}. {_WAY_OUT}")
        return
    if fault is not None:
        advice = "Use a local file system, such as ext4 or xfs."
        yield problem(_SUBJECT, f"The file system of {folder} {fault}. {advice}")
    else:
        yield ok(_SUBJECT, f"{folder} is writable, renames whole files and maps them.")


def _fault(folder: Path) -> str | None:
    """Return the features that the file system lacks for publishing and searching."""
    old, new = folder / "old", folder / "new"
    new.write_bytes(b"new")
    old.write_bytes(b"old")
    try:
        new.replace(old)
    except OSError as error:
        return f"does not rename a file over another ({error.strerror})"
    try:
        with old.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            if mapped[:] != b"new":
                return "does not show a renamed file"
    except (OSError, ValueError) as error:
        return f"does not map files into memory ({error})"
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOTSUP):
            return "does not make names durable (fsync of a folder)"
        raise
    finally:
        os.close(descriptor)
    return None


def _room(folder: Path) -> Iterator[Finding]:
    disk = shutil.disk_usage(folder)
    free = f"{disk.free / 1e9:.1f} of {disk.total / 1e9:.1f} GB are free in {folder}"
    if disk.free < _LITTLE or disk.free < _LITTLE_SHARE * disk.total:
        yield warning("disk", f"{free}. Make room, before a build or an upload finds none.")
    else:
        yield ok("disk", f"{free}.")
