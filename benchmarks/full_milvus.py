"""A full Milvus server of the package `milvus`, for a benchmark: its own process and folder."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import memory
from shared.cli.service import free_port

_RUN = """
import sys, time
from milvus import MilvusServer
server = MilvusServer()
server.set_base_dir(sys.argv[1])
server.config.set("proxy_port", int(sys.argv[2]))
server.start()
print("ready", flush=True)
while server.running:
    time.sleep(1)
"""


class FullMilvus:
    """A server that runs. uri: where it answers."""

    def __init__(self, uri: str, pid: int) -> None:
        self.uri = uri
        self._pid = pid

    def memory_mib(self) -> float:
        """Return its anonymous resident memory."""
        return memory.resident(self._pid)


@contextmanager
def started(python: str, folder: Path) -> Iterator[FullMilvus]:
    """Start a server whose data are in a folder, and end it. python: one that has the package."""
    port = free_port()
    with (folder / "milvus.log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603
            [python, "-c", _RUN, str(folder / "milvus"), str(port)],
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    try:
        assert process.stdout is not None  # noqa: S101
        if not process.stdout.readline():
            raise RuntimeError(f"Milvus doesn't start; see {folder / 'milvus.log'}.")
        yield FullMilvus(f"http://127.0.0.1:{port}", process.pid)
    finally:
        # It starts a server, which would stay.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
