"""`ise jobs`, and the common part of all commands that start a job."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Annotated

import typer
from rich.console import RenderableType

from shared.cli import tables
from shared.cli.job_results import job_result
from shared.cli.job_wait import raise_if_failed, wait
from shared.cli.progress import ProgressView
from shared.cli.session import AsJson, Session, Verbose, session
from shared.clients import indexer
from shared.clients.transport import Call
from shared.contracts.jobs import Job, JobState
from shared.core.errors import InvalidInput


def jobs(
    job_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Show only this job.")
    ] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel the job.")] = False,
    failures: Annotated[
        bool, typer.Option("--failures", help="List the pictures that the job could not process.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Entries of the list.")] = 100,
    cursor: Annotated[
        str | None, typer.Option(help="Continue a list: `next` of the page before.")
    ] = None,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """List the jobs; or show one, cancel it, or list its failures."""
    with session(as_json, verbose) as opened:
        if job_id is None:
            if cancel or failures:
                raise InvalidInput(
                    "Say which job: `ise jobs ID --cancel`, `ise jobs ID --failures`."
                )
            listed = opened.indexer.send(indexer.list_jobs(limit, cursor))
            opened.reply(listed, tables.jobs(listed.jobs))
            _say_next(opened, listed.next)
        elif cancel and failures:
            raise InvalidInput("Give either --cancel or --failures, not both.")
        elif failures:
            found = opened.indexer.send(indexer.list_job_failures(job_id, limit, cursor))
            opened.reply(found, tables.failures(found.failures))
            _say_next(opened, found.next)
        else:
            call = indexer.cancel_job(job_id) if cancel else indexer.get_job(job_id)
            job = opened.indexer.send(call)
            opened.reply(job, tables.jobs([job]), job_result(job, verbose))


def run_job(
    opened: Session,
    start: Call[Job],
    shown: Callable[[Job], RenderableType] | None = None,
    embeds: bool = False,
) -> Job:
    """Start a job, show its progress and result, and return it.

    `embeds`: it needs the embedder, so it isn't started without one. Raises the job's error.
    """
    if embeds:
        opened.require_embedder()
    job = opened.indexer.send(start)
    try:
        with nullcontext(_ignore) if opened.as_json else ProgressView(opened.err) as show:
            job = wait(opened.indexer, job, show)
    except KeyboardInterrupt:
        opened.say(
            f"Job {job.id} continues. `ise jobs {job.id}` shows its progress; `ise "
            f"jobs {job.id} --cancel` cancels it."
        )
        raise
    if job.progress.failed and not opened.as_json:
        _show_failures(opened, job)
    if opened.as_json:
        opened.write_json(job.model_dump(mode="json"))
        if job.state is not JobState.SUCCEEDED:
            raise typer.Exit(1)
    raise_if_failed(job)
    opened.say(f"Job {job.id} is done.")
    if not opened.as_json:
        opened.out.print(job_result(job, opened.verbose) if shown is None else shown(job))
    return job


def _say_next(opened: Session, cursor: str | None) -> None:
    if cursor is not None and not opened.as_json:
        opened.say(f"There are more: --cursor {cursor}")


def _show_failures(opened: Session, job: Job) -> None:
    found = opened.indexer.send(indexer.list_job_failures(job.id, tables.FAILURES_SHOWN))
    opened.err.print(tables.failures(found.failures))
    if (more := found.total - len(found.failures)) > 0:
        opened.say(f"And {more:,} more: `ise jobs {job.id} --failures`.")


def _ignore(_: Job) -> None:
    """Shows nothing."""
