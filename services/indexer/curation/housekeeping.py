"""Tidies from time to time: what was in the trash for too long, what can't be undone any more."""

import logging
import threading
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from shared.core.errors import ISEError

log = logging.getLogger(__name__)

_EVERY_S = 600.0


class Housekeeping:
    """Calls each task every ten minutes, in a thread of its own."""

    def __init__(self, *tasks: Callable[[], None]) -> None:
        self._tasks = tasks
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            for task in self._tasks:
                try:
                    task()
                except (ISEError, OSError, SQLAlchemyError) as error:
                    log.warning("can't tidy yet: %s", error)
            self._stopping.wait(_EVERY_S)
