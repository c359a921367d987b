"""Prevents an error in one item from failing all items of an operation."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from services.indexer.catalog.lease_fence import LeaseLost
from services.indexer.jobs.context import Cancelled
from shared.core.errors import ISEError

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")


def each_alone(
    items: Sequence[T],
    act: Callable[[Sequence[T]], R],
    fail: Callable[[T, str], None],
) -> list[R]:
    """Act on items together; on failure on each half, until only failing items remain.

    `act` changes nothing if it raises. `fail` is called with an item that failed, and the reason.
    Errors that don't concern an item, such as a full disk or an unavailable database, are raised.
    """
    if not items:
        return []
    try:
        return [act(items)]
    except (ISEError, OSError, Cancelled, LeaseLost):
        raise
    except Exception as error:
        if len(items) == 1:
            log.exception("an item can't be stored")
            fail(items[0], f"It can't be stored: unexpected {type(error).__name__}; see the log.")
            return []
    half = len(items) // 2
    return [*each_alone(items[:half], act, fail), *each_alone(items[half:], act, fail)]
