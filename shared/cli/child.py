"""A process that is started, listened to, and ended."""

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from shared.cli import die_with_parent

Sink = Callable[[str, str], None]
"""Receives the name of a process and a line of its output."""

_LINES_KEPT = 12


class Child:
    """A running process.

    It leads a process group of its own: Ctrl-C in a terminal reaches only the parent, which then
    ends its children in order, and `kill` also ends the process's own children. On Linux it also
    ends with the thread that started it.
    """

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str], sink: Sink
    ) -> None:
        self.name = name
        self._sink = sink
        self._last: deque[str] = deque(maxlen=_LINES_KEPT)
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", die_with_parent.__file__, str(os.getpid()), *command],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        self._listener = threading.Thread(target=self._listen, name=f"{name} output", daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; the negative number of a signal that ended it."""
        return self._process.poll()

    def last_lines(self) -> list[str]:
        """Return the end of its output, which is complete once the process has ended."""
        if self.exit_code is not None:
            self._listener.join(1.0)
        return list(self._last)

    def terminate(self) -> None:
        """Asks it to end."""
        if self.exit_code is None:
            self._process.terminate()

    def kill(self) -> None:
        """Ends it at once, and whatever it started and left behind."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._listener.join(1.0)

    def _listen(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        # Close the pipe even if the sink fails, because an unread pipe would block the process.
        with stream:
            for raw in stream:
                line = raw.decode(errors="replace").rstrip()
                self._last.append(line)
                self._sink(self.name, line)
