"""Work that a thread of its own does again and again: when it's due, and now and then unasked."""

import logging
import threading
import time
from collections.abc import Callable

from shared.core.errors import ISEError

log = logging.getLogger(__name__)


class Loop:
    """Background loop.

    An error is reported in `warning` until a later run succeeds; only `stop` ends the loop.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], None],
        failed: str,
        every_s: float,
        pause_s: float = 0,
        end_s: float = 5,
    ) -> None:
        """`failed`: meaning of a failure, put before its cause.

        `pause_s`: least pause between runs. `end_s`: time for the current run to finish at a stop.
        """
        self._work = work
        self._failed = failed
        self._every_s = every_s
        self._pause_s = pause_s
        self._end_s = end_s
        self._due = threading.Event()
        self._ends = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.warning: str | None = None

    def start(self) -> None:
        """Begins at once."""
        self._due.set()
        self._thread.start()

    def consider(self) -> None:
        """Run the loop's work soon."""
        self._due.set()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._ends = True
        self._due.set()
        if self._thread.is_alive():
            self._thread.join(self._end_s)

    def _run(self) -> None:
        while True:
            self._due.wait(self._every_s)
            self._due.clear()
            if self._ends:
                return
            try:
                self._work()
                self.warning = None
            except (ISEError, OSError) as error:
                self._tell(error.detail if isinstance(error, ISEError) else str(error))
            except Exception as error:
                # The next run may succeed, so the loop must not end.
                log.exception("%s", self._failed)
                self._tell(f"{type(error).__name__}, see the log.")
            if self._pause_s and not self._ends:
                time.sleep(self._pause_s)

    def _tell(self, why: str) -> None:
        warning = f"{self._failed}: {why}"
        if warning != self.warning:
            log.warning("%s", warning)
        self.warning = warning
