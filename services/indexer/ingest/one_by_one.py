"""Keeps what is wrong with one item from failing all that are done together."""

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
    """Act on items together; where that can't be, on each half, until what fails is one item.

    `act` changes nothing where it raises. `fail` is told of an item that can't be acted on, and
    why. What has nothing to do with an item is raised: a full disk, a database that is away.
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
