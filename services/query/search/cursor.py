"""Cursor: the end of a page as text that the client returns; nothing is stored here.

So it works after a restart, on any replica, and over any number of snapshots.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter

from services.query.search.key_frames import Passed
from services.query.search.paging import IdOf, PageEnd, Place
from shared.contracts.answer import Mode
from shared.contracts.query import Metric, SearchOptions
from shared.core.errors import InvalidInput
from shared.core.record import record

_AGAIN = "Request the first page again, without `cursor`."
# Options that may differ between the pages of one search.
_OF_A_PAGE = {"limit", "offset", "cursor", "min_version"}
_OF_A_PAGE |= {"explain", "with_vector", "group_duplicates", "facets"}
_OF_A_SEARCH = set(SearchOptions.model_fields) - _OF_A_PAGE - {"nprobe", "recall_target", "exact"}


# More ordinals would make a URL too long.
_REMEMBERED = 1000
_FRAMED = 200
"""Videos by a frame that are listed beyond those: the distance of these changes as frames come."""
_LONGEST = 1 << 16
# Bytes up to which compressing takes longer than it is worth.
_SHORT = 256
# To make an encoder takes longer than to write a cursor.
_compact = json.JSONEncoder(separators=(",", ":")).encode


@record
class Cursor:
    """search: hash of the request. mode, model, metric: those of the answer. terms: hash of how
    they were read; None, as metric: a version before this one didn't tell.

    newest: largest ordinal at that time; later images are no hits. offset: number of hits on the
    pages so far, which were `shown` (ordinals) or, if there is a `place`, come up to it.
    """

    search: str
    mode: Mode
    model: str | None
    newest: Annotated[int, Field(ge=-1, lt=2**63)]
    offset: Annotated[int, Field(ge=0, lt=2**31)]
    shown: list[Annotated[int, Field(ge=0, lt=2**63)]]
    place: Place | None
    metric: Metric | None = None
    terms: str | None = None

    @classmethod
    def read(cls, text: str, search: str) -> "Cursor":
        """Raises InvalidInput where it can't be read, or belongs to another search."""
        try:
            fields = base64.urlsafe_b64decode(text)
            if not fields.startswith(b"{"):
                fields = zlib.decompressobj().decompress(fields, _LONGEST)
            cursor = _reader().validate_json(fields)
        except (ValueError, zlib.error) as error:
            raise InvalidInput(f"`cursor` is not the `next` of an answer. {_AGAIN}") from error
        if cursor.search != search:
            raise InvalidInput(f"`cursor` belongs to another search. {_AGAIN}")
        return cursor

    def text(self) -> str:
        place = None if self.place is None else vars(self.place)
        fields = _compact(vars(self) | {"place": place}).encode()
        if len(fields) > _SHORT:
            fields = zlib.compress(fields)
        return base64.urlsafe_b64encode(fields).decode()

    def passed(self, id_of: IdOf) -> Passed | None:
        """Return what tells which images earlier pages have passed without showing them, of those
        that are listed where they are shown; None: no page has passed any.
        """
        place = self.place
        if place is None:
            return None

        def tell(ordinals: NDArray[np.int64], away: NDArray[np.float64]) -> NDArray[np.bool_]:
            before = away < place.key
            for tie in np.flatnonzero(away == place.key).tolist():
                before[tie] = id_of(int(ordinals[tie])) <= place.id
            return before & ~np.isin(ordinals, self.shown)

        return tell

    def check(self, kind: "AnswerKind") -> None:
        """Raise InvalidInput if the kind of distances has changed, or how the terms are read."""
        if kind.model is None:
            # No images are left to be compared.
            return
        metric = self.metric or kind.metric
        if (kind.mode, kind.model, kind.metric) != (self.mode, self.model, metric):
            raise InvalidInput(
                f"`cursor` is of an answer in mode {self.mode} by {self.model} and {metric}; now "
                f"it would be in mode {kind.mode} by {kind.model} and {kind.metric}. {_AGAIN}"
            )
        if self.terms not in (None, kind.terms):
            raise InvalidInput(
                "`cursor` is of an answer that read the term otherwise: tags or colours of the "
                f"collection have changed. {_AGAIN}"
            )


@record
class AnswerKind:
    """Kind of answer, which all pages of a search have in common.

    terms: hash of how they were read, empty where as written.
    """

    mode: Mode
    model: str | None
    metric: Metric
    terms: str = ""

    @classmethod
    def of(
        cls,
        mode: Mode,
        model: str | None,
        metric: Metric,
        colors: Sequence[str],
        corrected: Mapping[str, str],
    ) -> "AnswerKind":
        """corrected: the tags that terms were read as. colors: those that terms name."""
        if not colors and not corrected:
            return cls(mode, model, metric)
        read = json.dumps([list(colors), dict(corrected)], sort_keys=True).encode()
        return cls(mode, model, metric, hashlib.blake2b(read, digest_size=6).hexdigest())


@cache
def _reader() -> TypeAdapter[Cursor]:
    """Return the reader of cursors; making it takes a millisecond."""
    return TypeAdapter(Cursor)


def _how(options: SearchOptions) -> str:
    """Return the options that identify a search, as text; most searches name the metric at most."""
    if options.model_fields_set & _OF_A_SEARCH <= {"metric"}:
        return _by_default(type(options), options.metric)
    return options.model_dump_json(include=_OF_A_SEARCH)


@cache
def _by_default(kind: type[SearchOptions], metric: Metric | None) -> str:
    return kind.model_construct(metric=metric).model_dump_json(include=_OF_A_SEARCH)


class Pages:
    """Pages of one search: the end of the previous page and the cursor of the next.

    key: identifies the search, in addition to its options.
    """

    def __init__(self, key: Sequence[str | float | bool], options: SearchOptions) -> None:
        described = json.dumps([*key, _how(options)]).encode()
        self._search = hashlib.blake2b(described, digest_size=8).hexdigest()
        self._offset = options.offset
        self.after = None if options.cursor is None else Cursor.read(options.cursor, self._search)

    @property
    def offset(self) -> int:
        """Number of hits on the pages so far."""
        return self._offset if self.after is None else self.after.offset

    def next(self, end: PageEnd | None, kind: AnswerKind, newest: int) -> str | None:
        """Return the cursor of the page after one that ended here; None if there is none.

        Raises InvalidInput if the answer is of another kind than those of former pages.
        """
        if self.after is not None:
            self.after.check(kind)
        if end is None:
            return None
        shown, place = [], None
        if self.after is not None:
            newest, shown, place = self.after.newest, self.after.shown, self.after.place
        # A page may include images that an earlier page missed. If too many were shown to list
        # them, the cursor holds the place alone.
        if len(shown) + len(end.ordinals) > _REMEMBERED:
            place = end.place
            framed = [ordinal for ordinal in end.framed if ordinal not in shown]
            if len(shown) + len(framed) <= _REMEMBERED + _FRAMED:
                shown = [*shown, *framed]
        else:
            shown = [*shown, *end.ordinals]
        offset = self.offset + len(end.ordinals)
        return Cursor(
            self._search,
            kind.mode,
            kind.model,
            newest,
            offset,
            shown,
            place,
            kind.metric,
            kind.terms,
        ).text()
