"""Places for work in hand: beyond them, a call is refused before its body is read.

One client may take all of them while nobody else wants one; else no more than its even share.

Calls that are let in share the processor, so a limit on their number is one on how long they take.
A sender that is slow keeps nobody out: its place is lent while the body arrives, and taken again
for the answer.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.core.errors import Overloaded, ShareUsed
from shared.web.shares import Shares

_RETRY_AFTER = 1
_BULK_SHARE = 0.75
"""Share of the places that bulk work may take, which leaves room for interactive calls."""
PATIENCE_S = 1.0
"""Seconds of waiting for a body after which its places are lent to others."""


@dataclass(eq=False)
class Place:
    """Places that one call of a client holds, until `leave`."""

    places: "Places"
    count: int
    client: str = ""
    is_lent: bool = False

    def weigh(self, count: int) -> None:
        """Correct the number of places, once the body tells it."""
        count = min(count, self.places.most_each)
        if not self.is_lent:
            self.places.take(self.client, count - self.count)
        self.count = count

    def lend(self) -> None:
        """Lend the places to others while this call waits for its sender."""
        if not self.is_lent:
            self.is_lent = True
            self.places.take(self.client, -self.count)

    def take_again(self) -> None:
        """End `lend`. Raises Overloaded if the places are taken; they then count nevertheless."""
        if self.is_lent:
            self.is_lent = False
            self.places.take(self.client, self.count)
            self.places.check_returned(self.count)

    def leave(self) -> None:
        """Give the places back; repeated calls do nothing."""
        if not self.is_lent:
            self.places.take(self.client, -self.count)
        self.count = 0


class Places:
    """`limit` units of work are in hand at once; `what` names them in messages.

    A call is let in as a whole while fewer are in hand. `patience_s`: how long a body may take
    before its places are lent; infinite: they never are. `most_each`: most places that one call
    counts for. `most_of_one`: most that one client holds, though nobody else wants any: where calls
    last for as long as a client likes, whoever came later would find none.
    """

    def __init__(
        self,
        limit: int,
        what: str,
        patience_s: float = PATIENCE_S,
        most_each: int | None = None,
        most_of_one: int | None = None,
    ) -> None:
        self.limit = limit
        self.most_of_one = most_of_one or limit
        self.most_each = most_each or 2**31
        self.what = what
        self.patience_s = patience_s
        self.in_hand = 0
        self.waiting = 0
        self.refused = 0
        self.shares = Shares()

    def is_free(self, is_bulk: bool = False) -> bool:
        """Return whether any place is free."""
        return self.in_hand < self._limit(is_bulk)

    def enter(self, count: int = 1, is_bulk: bool = False, client: str = "") -> Place:
        """Take places for a call of a client. Raises Overloaded, or ShareUsed."""
        count = min(count, self.most_each)
        self.check(count, is_bulk, client)
        self.take(client, count)
        return Place(self, count, client)

    def check(self, count: int = 1, is_bulk: bool = False, client: str = "") -> None:
        """Raise Overloaded where all places are taken, or ShareUsed where a client has its share
        and others wait.
        """
        limit = self._limit(is_bulk)
        if self.in_hand >= limit:
            self.refused += min(count, self.most_each)
            self.shares.refused(client, is_bulk)
            raise self._busy(self.in_hand)
        self.shares.seen(client)
        if (own := self.shares.held(client)) >= self.most_of_one < self.limit:
            self.refused += min(count, self.most_each)
            raise self._busy(own)
        share = self.shares.share(client, limit, is_bulk)
        if share < limit and (held := self.shares.held(client)) >= share:
            self.refused += min(count, self.most_each)
            raise ShareUsed(
                f"{held} {self.what} of yours are in hand, and others wait: try again in a second.",
                retry_after=_RETRY_AFTER,
            )

    def take(self, client: str, count: int) -> None:
        """Count places as taken by a client, or as given back."""
        self.in_hand += count
        self.shares.hold(client, count)

    def _limit(self, is_bulk: bool) -> int:
        return math.ceil(self.limit * _BULK_SHARE) if is_bulk else self.limit

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Lend a place within a block in which a call that was let in does nothing but wait.

        Raises Overloaded where too many do so, or where no place is free after the block.
        """
        if self.waiting >= self.limit:
            raise Overloaded(
                f"{self.waiting} searches wait for their `min_version` already; try again in a "
                "second.",
                retry_after=_RETRY_AFTER,
            )
        self.waiting += 1
        self.in_hand -= 1
        try:
            yield
        finally:
            self.in_hand += 1
            self.waiting -= 1
        self.check_returned(1)

    def check_returned(self, count: int) -> None:
        """Raise Overloaded if places that were taken again are over the limit."""
        if self.in_hand > self.limit and self.in_hand > count:
            self.refused += count
            raise self._busy(self.in_hand - count)

    def _busy(self, in_hand: int) -> Overloaded:
        return Overloaded(
            f"{in_hand} {self.what} are in hand already; try again in a second.",
            retry_after=_RETRY_AFTER,
        )


Estimate = Callable[[int], int]
"""Number of places for a body of so many bytes."""


def by_bytes(each: int, most: int) -> Estimate:
    """Estimate one place for each `each` bytes of a body, from 1 to `most`."""
    return lambda size: max(1, min(most, size // each))
