"""Takes the pictures of a library into the collection, by the indexer's API."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from json import dumps
from pathlib import PurePath
from typing import Any

from shared.clients import curation, indexer
from shared.clients.transport import Client
from shared.contracts.curation import BulkRequest
from shared.contracts.indexer import AddedItem, AddState
from shared.core.errors import Forbidden, InvalidInput, ISEError, NotFound, TooLarge
from shared.importing.journal import Journal
from shared.importing.library import Asset
from shared.importing.xmp_packet import packet
from shared.media.facts import facts_of

log = logging.getLogger(__name__)

_PICTURES_A_CALL = 32
_BYTES_A_CALL = 64 * 2**20
_SAME_TIME = timedelta(hours=26)
"""Times of UTC and of any zone differ by less; a person who corrects a date means more."""


@dataclass
class Plan:
    """Assets to add, those to describe anew, and the number of those that are as they were."""

    new: list[Asset] = field(default_factory=list)
    changed: list[Asset] = field(default_factory=list)
    done: int = 0

    @property
    def tags(self) -> Counter[str]:
        """Return the tags that would be given, with their number of pictures."""
        return Counter(tag for asset in (*self.new, *self.changed) for tag in asset.tags)


@dataclass
class Outcome:
    """Numbers of pictures, and the names and reasons of those that couldn't be taken."""

    added: int = 0
    existed: int = 0
    described: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


def plan(assets: Iterable[Asset], journal: Journal) -> Plan:
    """Return what an import would do."""
    found = Plan()
    for asset in assets:
        if journal.is_done(asset):
            found.done += 1
        elif journal.image_of(asset) is None:
            found.new.append(asset)
        else:
            found.changed.append(asset)
    return found


class Importer:
    """Imports what a plan says. kind: of the library, recorded in the metadata of each picture.

    Pictures that were there already keep their tags and get the library's, too. What a person took
    away in the library meanwhile stays: an import never takes tags away.
    """

    def __init__(
        self, client: Client, journal: Journal, kind: str, tell: Callable[[int], None]
    ) -> None:
        """`tell` is called with the number of assets that were dealt with."""
        self._client = client
        self._journal = journal
        self._kind = kind
        self._tell = tell

    def run(self, planned: Plan) -> Outcome:
        """Raises Unavailable and similar errors that concern all pictures; run it again then."""
        outcome = Outcome()
        # One call gives all its pictures the same tags.
        ordered = sorted(planned.new, key=lambda asset: (asset.tags, asset.description))
        for (tags, description), assets in groupby(
            ordered, key=lambda asset: (asset.tags, asset.description)
        ):
            for call in self._calls(assets, outcome):
                self._add(call, tags, self._metadata(description), outcome)
        for asset in planned.changed:
            self._describe(asset, outcome)
            self._tell(1)
        return outcome

    def _calls(
        self, assets: Iterator[Asset], outcome: Outcome
    ) -> Iterator[list[tuple[Asset, bytes]]]:
        """Yield assets with their bytes, a call's worth at a time."""
        call: list[tuple[Asset, bytes]] = []
        size = 0
        for asset in assets:
            try:
                data = asset.read()
            except (OSError, NotFound, Forbidden, TooLarge, InvalidInput) as error:
                outcome.failed.append((asset.name, _why(error)))
                self._tell(1)
                continue
            if call and (len(call) == _PICTURES_A_CALL or size + len(data) > _BYTES_A_CALL):
                yield call
                call, size = [], 0
            call.append((asset, data))
            size += len(data)
        if call:
            yield call

    def _add(
        self,
        call: Sequence[tuple[Asset, bytes]],
        tags: Sequence[str],
        metadata: dict[str, Any],
        outcome: Outcome,
    ) -> None:
        files: list[tuple[str, bytes]] = []
        taken: set[str] = set()
        for number, (asset, data) in enumerate(call):
            path = PurePath(asset.name)
            # A library has several pictures of one name; in a call it also finds the XMP file.
            name = f"{path.stem} ({number}){path.suffix}" if path.stem in taken else path.name
            taken.add(path.stem)
            files.append((name, data))
            beside = _sidecar(asset, data)
            if beside is not None:
                files.append((f"{name}.xmp", beside))
        try:
            items = self._client.send(indexer.add_images(files, tags, dumps(metadata))).items
        except (TooLarge, InvalidInput) as error:
            if len(call) == 1:
                outcome.failed.append((call[0][0].name, error.detail))
                self._tell(1)
                return
            for one in call:
                self._add([one], tags, metadata, outcome)
            return
        pictures = [
            item for item, file in zip(items, files, strict=True) if not file[0].endswith(".xmp")
        ]
        for (asset, _), item in zip(call, pictures, strict=True):
            self._take(asset, item, outcome)
            self._tell(1)

    def _take(self, asset: Asset, item: AddedItem, outcome: Outcome) -> None:
        if item.id is None:
            outcome.failed.append((asset.name, item.error or "It was not taken."))
            return
        outcome.added += item.state is AddState.ADDED
        outcome.existed += item.state is AddState.EXISTS
        self._journal.write(asset, item.id)

    def _describe(self, asset: Asset, outcome: Outcome) -> None:
        """Give an image what the library says of it now."""
        image_id = self._journal.image_of(asset)
        if image_id is None:
            raise ValueError(f"{asset.key} has no image")
        metadata = self._metadata(asset.description)
        request = BulkRequest(ids=[image_id], add_tags=list(asset.tags), metadata=metadata)
        try:
            changed = self._client.send(curation.change_images(request))
        except InvalidInput as error:
            outcome.failed.append((asset.name, error.detail))
            return
        for failure in changed.failed:
            outcome.failed.append((asset.name, failure.error))
        if not changed.failed:
            # One that was deleted here meanwhile stays deleted.
            outcome.described += not changed.unknown
            self._journal.write(asset, image_id)

    def _metadata(self, description: str) -> dict[str, Any]:
        told: dict[str, Any] = {"imported_from": self._kind}
        return told | ({"description": description} if description else {})


def _sidecar(asset: Asset, data: bytes) -> bytes | None:
    """Return the XMP file of what the library knows better than the picture, or None."""
    if asset.sidecar is not None or (asset.taken_at is None and asset.place is None):
        return asset.sidecar
    own = facts_of(data)
    taken_at: str | None = asset.taken_at
    if asset.taken_at is not None and not _differs(
        asset.taken_at, own.get("taken_at"), asset.is_doubtful
    ):
        taken_at = None
    place = asset.place
    if "latitude" in own and (asset.is_doubtful or _is_near(place, own)):
        place = None
    return packet(taken_at, place)


def _differs(told: str, own: str | None, is_doubtful: bool) -> bool:
    if own is None:
        return True
    if is_doubtful:
        return False
    try:
        apart = datetime.fromisoformat(told).replace(tzinfo=None) - datetime.fromisoformat(
            own
        ).replace(tzinfo=None)
    except ValueError:
        return True
    return abs(apart) > _SAME_TIME


def _is_near(place: tuple[float, float] | None, own: dict[str, Any]) -> bool:
    near = 0.001
    return place is not None and (
        abs(place[0] - own["latitude"]) < near and abs(place[1] - own["longitude"]) < near
    )


def _why(error: Exception) -> str:
    if isinstance(error, ISEError):
        return error.detail
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
