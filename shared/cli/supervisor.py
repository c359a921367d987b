"""Restarts services of a group while the others keep running."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from shared.cli.child import Child
from shared.cli.service import Service
from shared.core import tls

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_STEADY_S = 60.0
"""A service that ran this long begins with the first pause again."""
_ASK_EVERY_S = 0.5
_ANSWER_S = 0.5


@dataclass
class _Supervised:
    """A service of the group: its process, or when there will be one."""

    service: Service
    child: Child
    started: float
    pause: float = 0.0
    due: float | None = None
    is_awaited: bool = False
    asked: float = 0.0


class Supervisor:
    """Restarts services that stopped, after a pause that doubles, up to a minute.

    It never gives up: the other services keep working, and the cause, such as a used port or a full
    disk, may disappear at any time.
    """

    def __init__(
        self,
        services: list[tuple[Service, Child]],
        start: Callable[[Service], Child],
        explain: Callable[[Child], str],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`explain` returns a sentence on how a process ended. `say` is called with each event."""
        self._start = start
        self._explain = explain
        self._say = say
        self._clock = clock
        self._all = [_Supervised(service, child, clock()) for service, child in services]

    @property
    def children(self) -> list[Child]:
        """The present process of each service, whether it runs or has ended."""
        return [one.child for one in self._all]

    def look(self, http: httpx.Client) -> None:
        """Restart services that are due, and report those that stopped or are back."""
        for one in self._all:
            now = self._clock()
            if one.due is not None:
                if now >= one.due:
                    self._restart(one, now)
            elif one.child.exit_code is not None:
                self._ended(one, now)
            elif one.is_awaited and now - one.asked >= _ASK_EVERY_S:
                one.asked = now
                if one.service.not_ready(http) is None:
                    one.is_awaited = False
                    self._say(f"The {one.service.name} is back.")

    def _ended(self, one: _Supervised, now: float) -> None:
        steady = now - one.started >= _STEADY_S
        one.pause = (
            _FIRST_PAUSE_S if steady or not one.pause else min(2 * one.pause, _LONGEST_PAUSE_S)
        )
        one.due = now + one.pause
        seconds = "a second" if one.pause == 1 else f"{one.pause:g} seconds"
        # End its whole process group: what it leaves behind would use its port or memory.
        reason = self._explain(one.child)
        one.child.kill()
        self._say(f"{reason} It restarts in {seconds}; the others keep running.")

    def _restart(self, one: _Supervised, now: float) -> None:
        try:
            one.child = self._start(one.service)
        except OSError as error:
            one.pause = min(2 * one.pause, _LONGEST_PAUSE_S)
            one.due = now + one.pause
            self._say(
                f"The {one.service.name} can't be started ({error.strerror or error}). Next try "
                f"in {one.pause:g} seconds."
            )
            return
        one.due, one.started, one.is_awaited = None, now, True


def http_client() -> httpx.Client:
    """A client that no service holds up for long."""
    return httpx.Client(verify=tls.trusted(), trust_env=False, timeout=_ANSWER_S)
