"""Waits for changes of a folder, by notifications of the system or by polling."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from watchfiles import watch

from shared.core.errors import InvalidInput

POLL_S = 60
_TICK_MS = 1000
# Files copied together count as one change, once nothing has changed for this long.
_STILL_MS = 500
_AT_MOST_MS = 10_000
_RETRY_S = 30.0
_MOUNTS = Path("/proc/self/mounts")
_REMOTE = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "vboxsf"}
    | {"fuse.sshfs", "fuse.rclone", "fuse.glusterfs", "fuse.vmhgfs-fuse", "davfs", "virtiofs"}
)


def follow(
    folder: Path,
    act: Callable[[], bool],
    poll_s: int | None = None,
    beside: Path | None = None,
    retry_s: float = _RETRY_S,
) -> None:
    """Call `act` at once and after each change of a folder, until interrupted.

    `act` returns whether it succeeded; if not, it is called again later. `poll_s`: poll at this
    interval instead of waiting for notifications; the default on network mounts, which have none.
    `beside`: a folder whose changes are ignored, even if it lies inside.
    """
    if poll_s is None and is_remote(folder):
        poll_s = POLL_S
    while True:
        watched = _identity(folder)
        due: float | None = 0.0
        for changed in _changes(folder, poll_s, beside):
            if changed or (due is not None and time.monotonic() >= due):
                due = None if act() else time.monotonic() + retry_s
            if _identity(folder) != watched:
                # The disk was mounted or unmounted, and events concern the former folder only.
                break
        while _identity(folder) is None:
            time.sleep(_TICK_MS / 1000)


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        stat = folder.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _changes(folder: Path, poll_s: int | None, beside: Path | None) -> Iterator[bool]:
    """Yield whether something changed, each second. Watching begins before the first is given."""

    def counts(_: object, path: str) -> bool:
        changed = Path(path)
        if beside is not None and changed.is_relative_to(beside):
            return False
        inside = changed.parts[len(folder.parts) :]
        return changed.name == ".iseignore" or not any(part.startswith(".") for part in inside)

    try:
        for changes in watch(
            folder,
            watch_filter=counts,
            debounce=_AT_MOST_MS,
            step=_STILL_MS,
            rust_timeout=_TICK_MS,
            yield_on_timeout=True,
            force_polling=poll_s is not None,
            poll_delay_ms=(poll_s or POLL_S) * 1000,
            ignore_permission_denied=True,
        ):
            yield bool(changes)
    except (OSError, RuntimeError) as error:
        raise InvalidInput(
            f"{folder} can't be watched: {error}. `--poll {POLL_S}` looks every {POLL_S} seconds "
            "instead."
        ) from error


def is_remote(folder: Path, mounts: Path = _MOUNTS) -> bool:
    """Return whether a folder is on a network mount, as far as the system says."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return False
    kinds = {Path(fields[1].replace("\\040", " ")): fields[2] for fields in map(str.split, lines)}
    there = folder.resolve()
    return next((kinds[at] for at in (there, *there.parents) if at in kinds), "") in _REMOTE
