"""One evaluation, from labels to files."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shared.clients import indexer, query
from shared.clients.transport import Client
from shared.core.errors import Conflict, InvalidInput, ISEError, NotFound
from shared.evaluation import measure, report
from shared.evaluation.labels import Labels, indexed, of_collection, of_path
from shared.evaluation.results import Evaluation, SettingResult, TagResult
from shared.evaluation.tags import tag_to_image
from shared.files import durable

SEED = 0

Settings = Mapping[str, Mapping[str, Any]]


def evaluate(
    searching: Client,
    indexing: Client,
    embedding: Client,
    path: Path | None,
    settings: Settings,
    queries: int,
    before: Sequence[SettingResult] = (),
    say: Callable[[str], None] = lambda _: None,
) -> Evaluation:
    """Measure each setting, and compare the first one with `before` and the others."""
    started = time.monotonic()
    say("Reading the labels.")
    labels = of_collection(searching) if path is None else indexed(searching, of_path(path))
    held = searching.send(query.get_stats())
    plan = measure.Plan.of(labels, held.images, queries, SEED)
    measured = []
    for name, options in settings.items():
        say(f"Measuring {name}: {len(plan.queries):,} queries.")
        measured.append(measure.setting(searching, name, options, plan))
    say("Measuring recall against time.")
    points = measure.curve(searching, plan)
    every = [*before, *measured]
    found = [measure.compared(one, other) for one, other in pairwise(every)]
    return Evaluation(
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        snapshot=held.snapshot,
        model=held.model,
        images=held.images,
        labelled=len(labels),
        labels=len({name for names in labels.values() for name in names}),
        depth=plan.depth,
        settings=[*measured, *before],
        comparisons=[one for one in found if one is not None],
        curve=points,
        tags=_tags(indexing, embedding, labels, held.network, say),
        seconds=time.monotonic() - started,
    )


def read(file: Path) -> list[SettingResult]:
    """The settings of an evaluation that was written before, by its file's name."""
    try:
        found = Evaluation.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise InvalidInput(f"{file} is no evaluation that `ise eval` wrote.") from error
    return [
        one.model_copy(update={"name": f"{file.stem}: {one.name}"}) for one in found.settings[:1]
    ]


def write(found: Evaluation, indexing: Client, out: Path) -> tuple[Path, Path]:
    """The JSON and the report, at `out` with either suffix."""

    def thumbnail(image_id: str) -> bytes | None:
        try:
            return indexing.send(indexer.get_thumbnail(image_id))[0]
        except (NotFound, Conflict):
            # A vector may have been imported without a picture.
            return None

    document, page = out.with_suffix(".json"), out.with_suffix(".html")
    durable.write_text(document, found.model_dump_json(indent=1))
    durable.write_text(page, report.html(found, thumbnail))
    return document, page


def _tags(
    indexing: Client,
    embedding: Client,
    labels: Labels,
    network: str | None,
    say: Callable[[str], None],
) -> TagResult | None:
    if network is None:
        return None
    say("Measuring tag to image.")
    try:
        return tag_to_image(indexing, embedding, labels)
    except ISEError as error:
        say(f"Tag to image is left out: {error.detail}")
        return None
