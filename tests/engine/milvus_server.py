"""A real Milvus for tests, in a process of its own: Lite's server, or a full one."""

import os
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from tests.ports import free_port


class MilvusServer:
    """Ends and starts again at one address, on one file."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "shared.engines.milvus.lite",
            "--data-dir",
            str(self.folder),
        ]
        self._process = subprocess.Popen(
            [*command, "--port", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(600):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", self.port)):
                    return
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError("Milvus Lite doesn't start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class FullServer:
    """Milvus as a server of its own, of the package `milvus`: ends and starts at one address.

    The package brings no client, and pins none of the libraries that the tests use.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def python() -> str | None:
        """The interpreter that has the package; None where there is none."""
        if python := os.environ.get("ISE_MILVUS_PYTHON"):
            return python
        return sys.executable if find_spec("milvus") else None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        python = self.python()
        assert python is not None
        self._wait_for_port()
        self._process = subprocess.Popen(
            [python, "-c", _RUN, str(self.folder), str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        # It says so when it is ready.
        if not self._process.stdout.readline():
            raise RuntimeError("Milvus doesn't start")

    def _wait_for_port(self) -> None:
        """Wait until nothing holds it: the package takes the next one where connections of a
        killed server do, for a minute.
        """
        for _ in range(1200):
            with socket.socket() as probe:
                try:
                    probe.bind(("0.0.0.0", self.port))  # noqa: S104
                except OSError:
                    time.sleep(0.1)
                    continue
            return
        raise RuntimeError(f"port {self.port} stays in use")

    def kill(self) -> None:
        """End it at once, with the server that it started."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None


def new_server(folder: Path) -> MilvusServer | FullServer:
    """Milvus Lite's server, or a full one where `ISE_TEST_MILVUS` is `full`; not started."""
    if os.environ.get("ISE_TEST_MILVUS") == "full":
        return FullServer(folder)
    return MilvusServer(folder / "lite.db")


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
