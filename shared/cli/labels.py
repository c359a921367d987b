"""`ise label`: what the model sees in pictures; labels can be accepted as tags."""

from contextlib import nullcontext
from typing import Annotated

import typer

from shared.cli import tables
from shared.cli.job_wait import raise_if_failed, wait
from shared.cli.jobs import run_job
from shared.cli.progress import ProgressView
from shared.cli.session import AsJson, Session, session
from shared.clients import indexer, query
from shared.contracts.jobs import Job
from shared.contracts.labels import LEAST, AcceptLabelsRequest, LabelCounts, LabelsQuery


def label(
    match: Annotated[
        str,
        typer.Argument(metavar="[WORD]", help="Only labels whose name contains this text."),
    ] = "",
    least: Annotated[
        float,
        typer.Option("--least", min=LEAST, max=1, help="Least probability of a label at an image."),
    ] = 0.5,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Labels to show.")] = 100,
    compute: Annotated[
        bool,
        typer.Option("--compute", help="Compute labels first, also where all images have some."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the labels that the model sees in the pictures, and compute those that are missing.

    Labels are suggestions, never tags; `ise tag --suggested 0.8` accepts them.
    """
    with session(as_json) as opened:
        asked = LabelsQuery(least=least, match=match, limit=limit)
        found = opened.query.send(query.list_labels(asked))
        if compute or found.labelled < found.images:
            _compute(opened)
            found = opened.query.send(query.list_labels(asked))
        opened.reply(found, tables.labels(found) if found.labels else _none(found))
        if (more := found.total - len(found.labels)) > 0:
            opened.say(f"{more:,} more labels: raise --limit.")


def accept_labels(opened: Session, least: float, names: list[str] | None, yes: bool) -> None:
    """Show what accepting labels would add; with `yes`, add it."""
    request = AcceptLabelsRequest(least=least, names=names)
    if yes:
        run_job(opened, indexer.accept_labels(request), _tagged)
        return
    asked = LabelsQuery(least=least, name=names or [], limit=1000)
    counts = opened.query.send(query.list_labels(asked))
    if opened.as_json:
        opened.write_json(counts.model_dump(mode="json"))
        return
    opened.out.print(tables.labels(counts) if counts.labels else _none(counts))
    opened.say(
        f"{counts.untagged:,} tags would be added at {counts.shown:,} images. "
        "Nothing was changed: add --yes to do it."
    )


def _compute(opened: Session) -> None:
    job = opened.indexer.send(indexer.compute_labels())
    with nullcontext(_ignore) if opened.as_json else ProgressView(opened.err) as show:
        raise_if_failed(wait(opened.indexer, job, show))


def _none(found: LabelCounts) -> str:
    if found.model is None:
        return "The collection has no labels."
    return f"No label of at least {found.least:g}."


def _tagged(job: Job) -> str:
    number = (job.result or {}).get("tagged", 0)
    return f"{number:,} images were tagged."


def _ignore(_: Job) -> None:
    """Show nothing."""
