"""A real Milvus for tests: Lite's server in a process of its own."""

import socket
import subprocess
import sys
import time
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
