"""`ise import-from`: pictures with their tags from immich, PhotoPrism, Takeout and XMP files."""

import os
from collections.abc import Callable
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from shared.cli import tables
from shared.cli.session import AsJson, Session, session
from shared.core.errors import InvalidInput
from shared.importing.immich import Immich
from shared.importing.importer import Importer, Outcome, Plan, plan
from shared.importing.journal import Journal, journal_path
from shared.importing.library import Library
from shared.importing.photoprism import PhotoPrism
from shared.importing.takeout import Takeout
from shared.importing.xmp_folder import XmpFolder

_KEY = "ISE_IMPORT_KEY"
_SHOWN_TAGS = 10
_SHOWN_FAILURES = 10


class Kind(StrEnum):
    """Application or format to import from."""

    IMMICH = "immich"
    PHOTOPRISM = "photoprism"
    TAKEOUT = "takeout"
    XMP = "xmp"


def import_from(
    kind: Annotated[Kind, typer.Argument(help="What the pictures are in.", show_default=False)],
    where: Annotated[
        list[str],
        typer.Argument(
            help="Address of immich or PhotoPrism; or the zip archives or folders of a Takeout, or "
            "of pictures with XMP files.",
            show_default=False,
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be imported, and change nothing.")
    ] = False,
    journal: Annotated[
        Path | None,
        typer.Option(
            help="File that records what was imported, so that it isn't again. Default: one for "
            "each source and collection in ~/.local/state/image-search-engine."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import pictures with tags, albums, favourites, dates and descriptions; run again to resume.

    The key of immich or PhotoPrism is read from ISE_IMPORT_KEY, else asked for.
    """
    with session(as_json) as opened, closing(_library(kind, where)) as library:
        path = journal or journal_path(library, opened.settings.url_of("indexer"))
        recorded = Journal(path)
        opened.say(f"Looking through {library.where} ...")
        planned = plan(library.assets(), recorded)
        _show_plan(opened, planned)
        if dry_run:
            if as_json:
                opened.write_json(_figures(planned))
            return
        opened.require_embedder()
        with recorded, _Counting(opened, len(planned.new) + len(planned.changed)) as tell:
            outcome = Importer(opened.indexer, recorded, library.kind, tell).run(planned)
        _show_outcome(opened, planned, outcome)
        if outcome.failed:
            raise typer.Exit(1)


def _library(kind: Kind, where: list[str]) -> Library:
    if kind in (Kind.TAKEOUT, Kind.XMP):
        parts = [Path(one) for one in where]
        return Takeout(parts) if kind is Kind.TAKEOUT else XmpFolder(parts)
    if len(where) != 1:
        raise InvalidInput(f"Give one address of {kind}.")
    key = os.environ.get(_KEY) or typer.prompt(f"Key of {kind}", hide_input=True, err=True)
    return Immich(where[0], key) if kind is Kind.IMMICH else PhotoPrism(where[0], key)


def _figures(planned: Plan) -> dict[str, object]:
    return {
        "new": len(planned.new),
        "changed": len(planned.changed),
        "done": planned.done,
        "tags": dict(planned.tags.most_common()),
    }


def _show_plan(opened: Session, planned: Plan) -> None:
    opened.say(
        f"{len(planned.new):,} new pictures, {len(planned.changed):,} described anew, "
        f"{planned.done:,} imported before."
    )
    common = planned.tags.most_common(_SHOWN_TAGS)
    if common:
        shown = ", ".join(f"{tag} ({count:,})" for tag, count in common)
        more = len(planned.tags) - len(common)
        opened.say(f"Tags: {shown}{f', and {more:,} more' if more else ''}.")


def _show_outcome(opened: Session, planned: Plan, outcome: Outcome) -> None:
    if opened.as_json:
        failed = [{"name": name, "error": error} for name, error in outcome.failed]
        figures = {
            "added": outcome.added,
            "existed": outcome.existed,
            "described": outcome.described,
            "done": planned.done,
        }
        opened.write_json({**figures, "failed": failed})
        return
    for name, error in outcome.failed[:_SHOWN_FAILURES]:
        opened.out.print(tables.plain(f"failed  {name}: {error}"), soft_wrap=True)
    if len(outcome.failed) > _SHOWN_FAILURES:
        opened.say(f"{len(outcome.failed) - _SHOWN_FAILURES:,} more failed; --json lists them all.")
    opened.say(
        f"{outcome.added:,} added, {outcome.existed:,} were there already, "
        f"{outcome.described:,} described anew, {len(outcome.failed):,} failed."
    )
    if outcome.failed:
        opened.say("Run the same again to try those that failed once more.")


class _Counting:
    """Progress bar on a terminal; nothing elsewhere."""

    def __init__(self, opened: Session, total: int) -> None:
        self._bar = Progress(
            TextColumn("importing"),
            BarColumn(),
            MofNCompleteColumn(),
            console=opened.err,
            disable=opened.as_json or not opened.err.is_terminal,
        )
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Callable[[int], None]:
        self._bar.start()
        return lambda count: self._bar.advance(self._task, count)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
