"""`ise ingest`, `ise build` and `ise train-matching`: jobs on the whole collection."""

import os
import re
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import typer

from shared.cli import tables
from shared.cli.jobs import run_job
from shared.cli.session import AsJson, Session, Verbose, session
from shared.cli.watch import follow
from shared.clients import indexer
from shared.contracts.embedder import TrainingSettings
from shared.contracts.indexer import (
    TRANSFORM,
    BuildSettings,
    IngestRequest,
    Rows,
    TagsFrom,
    TrainMatchingRequest,
)
from shared.contracts.jobs import Job
from shared.contracts.query import Metric
from shared.core.errors import InvalidInput, ISEError
from shared.models.external import is_external
from shared.objects.local_path import path_of, text_of

_MOST_CLUSTERS = 1_000_000

Clusters = Annotated[
    str, typer.Option("--clusters", metavar="N|auto", help="Number of K-means clusters.")
]


def ingest(
    path: Annotated[
        str,
        typer.Argument(
            help="A folder of pictures, a .tar or .zip archive, or a manifest; a local "
            "path or a URL such as s3://bucket/folder or https://host/list.csv."
        ),
    ],
    tags_from: Annotated[
        TagsFrom | None,
        typer.Option(
            "--tags-from",
            help="Source of the tags. Default: the manifest, else the folder names.",
        ),
    ] = None,
    no_build: Annotated[
        bool, typer.Option("--no-build", help="Ingest only; don't build the index.")
    ] = False,
    clusters: Clusters = "auto",
    sync: Annotated[
        bool,
        typer.Option(
            "--sync", help="Follow the source: also apply moved, changed and deleted files."
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="With --sync: print the plan without changing anything."),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="With --sync: delete all missing pictures, even half of the files or "
            "whole folders.",
        ),
    ] = False,
    force_in: Annotated[
        list[str] | None,
        typer.Option(
            "--force-in",
            metavar="FOLDER",
            help="With --sync: delete the pictures of this folder even if all of them are "
            "missing; repeatable.",
        ),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="With --sync: sync again after each change, until Ctrl-C."),
    ] = False,
    poll: Annotated[
        int | None,
        typer.Option(
            "--poll",
            min=1,
            metavar="SECONDS",
            help="With --watch: polling interval. Default: file system notifications, or "
            "polling on network mounts.",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="GLOB",
            help="Exclude files by .gitignore patterns: '*.gif', 'private/', "
            "'/2019/**/raw'; repeatable. A file named .iseignore excludes files of "
            "its folder.",
        ),
    ] = None,
    follow_links: Annotated[
        bool,
        typer.Option("--follow-links", help="Follow symbolic links to folders."),
    ] = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Ingest the pictures of a folder, an archive or a manifest, and build the index."""
    with session(as_json, verbose) as opened:
        if not sync and (dry_run or force or force_in or watch):
            raise InvalidInput(
                "--dry-run, --force, --force-in and --watch belong to a sync: add --sync."
            )
        if poll is not None and not watch:
            raise InvalidInput("--poll belongs to --watch.")
        if dry_run and watch:
            raise InvalidInput("Give either --dry-run or --watch, not both.")
        request = IngestRequest(
            source=source_of(path),
            tags_from=tags_from,
            build=not no_build,
            clusters=cluster_count(clusters),
            sync=sync,
            dry_run=dry_run,
            force=force,
            exclude=exclude or [],
            follow_links=follow_links,
            force_in=force_in or [],
        )
        if watch:
            _watch(opened, request, poll)
        else:
            _take_in(opened, request)


def build(
    clusters: Clusters = "auto",
    metric: Annotated[
        Metric, typer.Option("--metric", help="Distance that the clusters are made for.")
    ] = Metric.COSINE,
    transform: Annotated[
        str,
        typer.Option("--transform", metavar="auto|none|l2|pca:N", help="Feature transform."),
    ] = "auto",
    rows: Annotated[
        Rows,
        typer.Option("--rows", help="Stored number format; float16 takes half the disk space."),
    ] = Rows.FLOAT32,
    drop_missing: Annotated[
        bool,
        typer.Option(
            "--drop-missing",
            help="After a model change, drop images whose files can't be read.",
        ),
    ] = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Rebuild the index from the whole collection and publish it."""
    with session(as_json, verbose) as opened:
        settings = BuildSettings(
            clusters=cluster_count(clusters),
            metric=metric,
            transform=transform_name(transform),
            rows=rows,
            drop_missing=drop_missing,
        )
        job = run_job(opened, indexer.build_index(settings), embeds=not _is_external(opened))
        tell_untrained(opened, job)


def compact(as_json: AsJson = False) -> None:
    """Merge additions and purge deleted images; the indexer also does this automatically."""
    with session(as_json) as opened:
        run_job(opened, indexer.compact_index())


def train_matching(
    epochs: Annotated[
        int, typer.Option("--epochs", min=1, max=1000, help="Passes over the training set.")
    ] = TrainingSettings().epochs,
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            min=0,
            max=2**31 - 1,
            help="Random seed; the same seed gives the same network.",
        ),
    ] = TrainingSettings().seed,
    hold_out: Annotated[
        list[str] | None,
        typer.Option(
            "--hold-out",
            metavar="TAG",
            help="Exclude this tag from training, so that `ise eval` can measure unseen "
            "terms; repeatable.",
        ),
    ] = None,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Train the network that matches tag terms with pictures, and publish it."""
    with session(as_json, verbose) as opened:
        settings = TrainingSettings(epochs=epochs, seed=seed)
        request = TrainMatchingRequest(settings=settings, hold_out=hold_out or [])
        run_job(opened, indexer.train_matching(request), embeds=True)


def _is_external(opened: Session) -> bool:
    """Return whether the index holds vectors from outside, for which there is no embedder."""
    found = opened.indexer.send(indexer.list_snapshots()).snapshots
    return any(one.current and is_external(one.model or "") for one in found)


def _take_in(opened: Session, request: IngestRequest) -> None:
    shown = tables.sync_plan if request.dry_run else None
    job = run_job(opened, indexer.ingest(request), shown, embeds=not request.dry_run)
    tell_untrained(opened, job)
    if replaced := (job.result or {}).get("replaced"):
        opened.say(
            f"{replaced:,} pictures lost their file, because another file is now at "
            "its path. They still appear in results; `ise ingest --sync` would "
            "delete them."
        )
    for held in (job.result or {}).get("held_back", ()):
        folder = tables.plain(held["folder"]).plain
        opened.say(
            f"{folder}: {held['files']:,} pictures are not deleted. {held['reason']} "
            f"To delete them, add --force-in {shlex.quote(folder)}."
        )


def _watch(opened: Session, request: IngestRequest, poll: int | None) -> None:
    folder = Path(path_of(request.source) or request.source)
    if not folder.is_dir():
        raise InvalidInput(f"--watch needs a folder on this machine; {folder} is not one.")

    def sync() -> bool:
        try:
            _take_in(opened, request)
        except ISEError as error:
            opened.complain(error)
            return False
        except typer.Exit:
            # The reason has been printed as JSON.
            return False
        opened.say(f"Watching {folder}. Press Ctrl-C to stop.")
        return True

    with suppress(KeyboardInterrupt):
        follow(folder, sync, poll, beside=opened.settings.data_dir.absolute())
    opened.say(f"{folder} is no longer watched.")


def tell_untrained(opened: Session, job: Job) -> None:
    """Say how many of the tags a job's matching network was trained without."""
    if tags := (job.result or {}).get("untrained_tags"):
        opened.say(
            f"The matching network was trained without {tags:,} of the tags: "
            "`ise train-matching` learns them."
        )


def source_of(path: str) -> str:
    """A source as the indexer finds it, which may run in another folder."""
    if not path:
        raise InvalidInput("Name a folder, archive or manifest to ingest.")
    # `resolve` would follow symbolic links.
    return path if "://" in path else text_of(os.path.abspath(path))  # noqa: PTH100


def transform_name(text: str) -> str:
    """`auto`, `none`, `l2` or `pca:N`."""
    if re.fullmatch(TRANSFORM, text) is None:
        raise InvalidInput(f"--transform takes auto, none, l2 or pca:N, such as pca:128: {text}.")
    return text


def cluster_count(text: str) -> Literal["auto"] | int:
    """`auto`, or a number of clusters."""
    if text == "auto":
        return "auto"
    if text.isascii() and text.isdigit() and 1 <= int(text) <= _MOST_CLUSTERS:
        return int(text)
    raise InvalidInput(f"--clusters takes auto or a number from 1 to {_MOST_CLUSTERS:,}: {text}.")
