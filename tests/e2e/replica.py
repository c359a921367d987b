"""A process of one service, that is killed and started again at the same address."""

import os
import signal
import subprocess
import time
from pathlib import Path

import httpx

from shared.cli.service import Service, local_services
from shared.core.settings import ServiceSettings
from tests.ports import free_port


class Replica:
    """A process beside the group's own of the same service, which may be killed and started."""

    def __init__(self, name: str, env: dict[str, str], log: Path) -> None:
        settings = ServiceSettings(_env_file=None, **{f"{name}_port": free_port()})
        self.service = next(one for one in local_services(settings) if one.name == name)
        self._env = {**os.environ, **env, f"ISE_{name.upper()}_PORT": str(self.service.port)}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.service.url

    @property
    def is_started(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.service.command, env=self._env, stdout=log, stderr=log
            )
        wait_ready(self.service, self._process)

    def kill(self, number: int = signal.SIGKILL) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait()


def wait_ready(service: Service, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 300
    with httpx.Client(trust_env=False) as http:
        while (reason := service.not_ready(http)) is not None:
            assert process.poll() is None, f"{service.name} ended"
            assert time.monotonic() < end, f"{service.name}: {reason}"
            time.sleep(0.1)
