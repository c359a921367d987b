"""Processes that start together and end together; one that ends on its own is started again."""

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import httpx

from shared.cli.child import Child, Sink
from shared.cli.rotated_log import RotatedLog
from shared.cli.service import MilvusLite, Service, environment, local_services, waiting_line
from shared.cli.supervisor import Supervisor, http_client
from shared.core import startup_errors, tls
from shared.core.errors import Unavailable
from shared.core.settings import ServiceSettings

_POLL_S = 0.1


class ServiceEnded(Unavailable):
    """A service stopped.

    `extra`: `service`, `exit_code`, and `last_lines` unless it gave a reason.
    """

    slug, title = "service-ended", "A service ended"


class ServiceGroup:
    """Processes that start together and end together.

        with ServiceGroup.local(settings) as group:
            group.wait_ready(timeout=120)
            group.watch(print)

    One that ends before all were ready is an error; later it is started again.

    `sink` gets every line that they write; with `log_dir`, `<log_dir>/<name>.log` does too. Start
    it from a thread that lives as long as the group: on Linux the processes end with that thread.
    """

    def __init__(
        self,
        services: Sequence[Service],
        env: Mapping[str, str] | None = None,
        sink: Sink | None = None,
        log_dir: Path | None = None,
        grace: float = 25.0,
    ) -> None:
        """`env` is added to this process's own. `grace`: seconds from SIGTERM to SIGKILL."""
        self.services = tuple(services)
        self._env = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        self._sink = sink
        self._log_dir = log_dir
        self._grace = grace
        self._logs: dict[str, RotatedLog] = {}
        self._children: list[Child] = []
        self._stops_asked = 0

    @classmethod
    def local(
        cls,
        settings: ServiceSettings,
        env: Mapping[str, str] | None = None,
        sink: Sink | None = None,
        log_dir: Path | None = None,
    ) -> Self:
        """Create the three services from `settings`, each configured with the addresses of the
        others.
        """
        services: list[Service] = [*local_services(settings)]
        variables = environment(settings)
        if (milvus := MilvusLite.of(settings)) is not None:
            services.insert(0, milvus)
            variables["ISE_MILVUS_URI"] = milvus.url
        return cls(
            services,
            {**variables, **(env or {})},
            sink,
            log_dir,
            settings.shutdown_seconds + 5,
        )

    def url(self, name: str) -> str:
        """Return the URL of a service of the group."""
        return next(service.url for service in self.services if service.name == name)

    def pids(self) -> dict[str, int]:
        return {child.name: child.pid for child in self._children}

    def start(self) -> None:
        """Starts all of them, or none: raises Misconfigured when a port is in use."""
        for service in self.services:
            service.check_port()
        if self._log_dir:
            self._log_dir.mkdir(parents=True, exist_ok=True)
            for service in self.services:
                self._logs[service.name] = RotatedLog(self._log_dir / f"{service.name}.log")
        try:
            for service in self.services:
                self._children.append(self._start(service))
        except BaseException:
            self.stop()
            raise

    def wait_ready(
        self,
        timeout: float | None = None,
        on_wait: Callable[[dict[str, str]], None] | None = None,
    ) -> bool:
        """Wait until each service is ready; return False if asked to stop before.

        `on_wait` is called at each change with the reason for every service that isn't ready.
        Raises ServiceEnded, or Unavailable after `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        seen: dict[str, str] | None = None
        with httpx.Client(verify=tls.trusted(), trust_env=False, timeout=2.0) as http:
            while not self._stops_asked:
                self.check()
                waiting = {
                    service.name: reason
                    for service in self.services
                    if (reason := service.not_ready(http)) is not None
                }
                if not waiting:
                    return True
                if waiting != seen and on_wait:
                    on_wait(waiting)
                seen = waiting
                if deadline is not None and time.monotonic() > deadline:
                    raise Unavailable(f"{waiting_line(waiting)} took over {timeout:g} seconds.")
                time.sleep(_POLL_S)
        return False

    def watch(self, say: Callable[[str], None]) -> None:
        """Restart services that stop, until asked to stop. `say` is called with each event."""
        pairs = list(zip(self.services, self._children, strict=True))
        supervisor = Supervisor(pairs, self._start, lambda child: _end_of(child).detail, say)
        with http_client() as http:
            while not self._stops_asked:
                supervisor.look(http)
                self._children = supervisor.children
                time.sleep(_POLL_S)

    def check(self) -> None:
        """Raises ServiceEnded when one has ended."""
        for child in self._children:
            if child.exit_code is not None:
                raise _end_of(child)

    def request_stop(self) -> None:
        """Make `wait_ready` and `watch` return; a second call makes `stop` kill at once.

        It takes no lock, so that a signal handler may call it.
        """
        self._stops_asked += 1

    def stop(self) -> None:
        """End them one by one, the last one first, because it may need the others.

        Sends SIGTERM to each, and SIGKILL after the grace period.
        """
        for child in reversed(self._children):
            child.terminate()
            deadline = time.monotonic() + self._grace
            while child.exit_code is None:
                if time.monotonic() > deadline or self._stops_asked > 1:
                    break
                time.sleep(_POLL_S / 2)
            child.kill()
        self._children.clear()
        for log in self._logs.values():
            log.close()
        self._logs.clear()

    def _start(self, service: Service) -> Child:
        return Child(service.name, service.command, self._env, self._hear)

    def _hear(self, name: str, line: str) -> None:
        if log := self._logs.get(name):
            log.write(line)
        # The reason why a service can't start is shown once, by the error raised for it.
        if self._sink and not startup_errors.heard([line]):
            self._sink(name, line)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _end_of(child: Child) -> ServiceEnded:
    """Return the error for a process that has ended."""
    code, lines = child.exit_code, child.last_lines()
    reason = " ".join(startup_errors.heard(lines))
    return ServiceEnded(
        f"The {child.name} can't start: {reason}"
        if reason
        else f"The {child.name} {_manner(code or 0)}.",
        service=child.name,
        exit_code=code,
        last_lines=[] if reason else lines,
    )


def _manner(code: int) -> str:
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was stopped by {signal.Signals(-code).name}"
    except ValueError:
        return f"was stopped by signal {-code}"
