"""Takes changes back: some steps in each transaction, so that a process that is killed resumes."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, select, tuple_

from services.indexer.catalog.bulk_changes import carried_by, take_back, write_metadata, write_tags
from services.indexer.catalog.bulk_sql import among
from services.indexer.catalog.database import Database, next_revision
from services.indexer.catalog.joining import differ
from services.indexer.catalog.locations import Bury, touch
from services.indexer.catalog.removed_files import release
from services.indexer.catalog.schema import images, locations, origins
from services.indexer.catalog.second_files import give_own_back, promote_second_files
from services.indexer.catalog.source_claims import delete_unwanted
from services.indexer.catalog.states import State
from services.indexer.catalog.stored_names import upload_of
from services.indexer.catalog.trash import (
    HasFeatures,
    all_there,
    put_claims_back,
    put_places_back,
    restore,
)
from services.indexer.catalog.undo_log import Step, numbers_of, take_steps
from shared.contracts.annotations import metadata_fault

_AT_ONCE = 2000


def undo_some(
    database: Database,
    token: str,
    bury: Bury,
    keeps: bool,
    has_features: HasFeatures = all_there,
) -> tuple[Counter[str], bool]:
    """Undo the next steps of a token; give what was done, and whether more are left.

    Counts `changed`, `restored`, `trashed`, and `left`: what can't be as it was any more.
    """
    done: Counter[str] = Counter()
    with database.write() as db:
        steps = take_steps(db, token, _AT_ONCE)
        numbers = numbers_of(db, [step.id for step in steps])
        there = [one for one in steps if one.later is not None and one.id in numbers]
        added = [one for one in there if one.former is None]
        unwanted, shared = _divided(db, added, numbers)
        changed = _take_back(db, [*shared, *(o for o in there if o.former)], numbers)
        delete_unwanted(db, {one.id: numbers[one.id] for one in unwanted}, bury, keeps)
        # After the deletions: a path may have been another image's before.
        _put_back(db, there, numbers)
        its = {numbers[one.id]: (one.former or {}, one.later or {}) for one in there}
        give_own_back(db, its)
        promote_second_files(db, its)
        gone = {one.id: one.former for one in steps if one.later is None and one.former}
        done["restored"] = len(restore(db, gone, gone, has_features))
        done["trashed"], done["changed"] = len(unwanted), changed
        release(db, {one.id: _paths(one) for one in there})
        missing = sum(one.later is not None and one.id not in numbers for one in steps)
        done["left"] = len(gone) - done["restored"] + missing
    return done, len(steps) >= _AT_ONCE


def _divided(
    db: Connection, added: Sequence[Step], numbers: dict[str, int]
) -> tuple[list[Step], list[Step]]:
    """Part images that were added into those that go, and those that came by another way too."""
    places: dict[int, set[tuple[str, str]]] = {numbers[one.id]: set() for one in added}
    query = select(locations.c.ordinal, locations.c.path, locations.c.uri)
    for row in among(db, query, locations.c.ordinal, list(places)):
        places[row.ordinal].add((row.path, row.uri))
    unwanted: list[Step] = []
    shared: list[Step] = []
    for one in added:
        its = {(place[0], place[1]) for place in (one.later or {}).get("places", [])}
        (shared if places[numbers[one.id]] - its else unwanted).append(one)
    return unwanted, shared


def _take_back(db: Connection, steps: Sequence[Step], numbers: dict[str, int]) -> int:
    """Give images their former tags, metadata and places; give how many are others now."""
    ordinals = [numbers[one.id] for one in steps]
    carried = carried_by(db, ordinals)
    query = select(images.c.ordinal, images.c.metadata)
    said = {row.ordinal: row.metadata for row in among(db, query, images.c.ordinal, ordinals)}
    tagged: dict[int, dict[str, str]] = {}
    described: dict[int, dict[str, Any]] = {}
    for one in steps:
        number, former, later = numbers[one.id], one.former or {}, one.later or {}
        its = take_back(carried[number], former.get("tags", {}), later.get("tags", {}))
        if its != carried[number]:
            tagged[number] = its
        now = take_back(said[number], former.get("metadata", {}), later.get("metadata", {}))
        if differ(now, said[number]) and metadata_fault(now) is None:
            described[number] = now
        _drop_places(db, number, former, later)
    write_tags(db, tagged)
    write_metadata(db, described)
    if steps:
        # Their uris may be others too.
        touch(db, ordinals, next_revision(db))
    return len(tagged.keys() | described.keys())


def _put_back(db: Connection, steps: Sequence[Step], numbers: dict[str, int]) -> None:
    """Give images the places and claims that the change took; others may have gone since."""
    places: dict[int, list[Any]] = {}
    claims: dict[int, list[Any]] = {}
    for one in steps:
        former, later = one.former or {}, one.later or {}
        left = {tuple(place[:2]) for place in later.get("places", [])}
        said = {tuple(claim[:3]): claim for claim in later.get("claims", [])}
        # A stored file that was let go isn't there any more.
        lost = [
            place
            for place in former.get("places", [])
            if tuple(place[:2]) not in left and upload_of(one.id, place[0]) is None
        ]
        if lost:
            places[numbers[one.id]] = lost
        if other := [c for c in former.get("claims", []) if differ(said.get(tuple(c[:3])), c)]:
            claims[numbers[one.id]] = other
    put_places_back(db, places)
    put_claims_back(db, claims)


def _paths(step: Step) -> list[str]:
    return [
        place[0] for state in (step.former, step.later) for place in (state or {}).get("places", [])
    ]


def _drop_places(db: Connection, ordinal: int, former: State, later: State) -> None:
    """Take out the places and claims that came with the change."""
    before = {tuple(claim[:3]) for claim in former.get("claims", [])}
    for claim in later.get("claims", []):
        if tuple(claim[:3]) not in before:
            at = tuple_(origins.c.source, origins.c.path, origins.c.uri)
            db.execute(delete(origins).where(at == tuple_(*claim[:3])))
    kept = {tuple(place[:2]) for place in former.get("places", [])}
    for place in later.get("places", []):
        if tuple(place[:2]) not in kept:
            here = tuple_(locations.c.path, locations.c.uri) == tuple_(*place[:2])
            db.execute(delete(locations).where(here, locations.c.ordinal == ordinal))
