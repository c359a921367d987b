"""Check of the ports on which the services listen."""

from contextlib import suppress
from pathlib import Path

_LISTENING = "0A"


def listener(port: int) -> str | None:
    """Return the process that listens on a local port, as `name (pid)`; None if there is none.

    `another user's process` if this user may not see it.
    """
    sockets = _sockets(port)
    if not sockets:
        return None
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for link in (folder / "fd").iterdir():
                if str(link.readlink()) in sockets:
                    return f"{(folder / 'comm').read_text().strip()} ({folder.name})"
    return "another user's process"


def _sockets(port: int) -> set[str]:
    """The sockets that listen on a port, as `/proc/<pid>/fd` names them."""
    found = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(f"socket:[{fields[9]}]")
    return found
