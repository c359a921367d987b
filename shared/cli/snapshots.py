"""`ise snapshots`, `ise stats` and `ise index`: published snapshots and their contents."""

from typing import Annotated

import typer
from rich.console import RenderableType

from shared.cli import tables
from shared.cli.session import AsJson, Verbose, session
from shared.clients import indexer, query
from shared.contracts.indexer import IndexHealth


def snapshots(
    activate: Annotated[
        int | None, typer.Option("--activate", metavar="N", help="Roll back to this snapshot.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the snapshots, or make one of them the current one."""
    with session(as_json) as opened:
        call = indexer.list_snapshots() if activate is None else indexer.activate_snapshot(activate)
        found = opened.indexer.send(call)
        opened.reply(found, tables.snapshots(found.snapshots))


def stats(verbose: Verbose = False, as_json: AsJson = False) -> None:
    """Show the collection's size and measured recall; --verbose adds that of probabilities."""
    with session(as_json) as opened:
        found = opened.query.send(query.get_stats())
        shown: list[RenderableType] = [tables.stats(found)]
        if found.recall_curve:
            shown += ["", tables.recall(found)]
        if found.calibration and verbose:
            shown += ["", tables.calibration(found)]
        opened.reply(found, *shown)


def index(as_json: AsJson = False) -> None:
    """Show how the index changed since it was built, and whether a rebuild is due."""
    with session(as_json) as opened:
        found = opened.indexer.send(indexer.get_index_health())
        opened.reply(found, tables.health(found), *_sentences(found))


def _sentences(found: IndexHealth) -> list[str]:
    """Return sentences of advice, and on background learning."""
    learning = found.learning
    is_due = found.advice or (learning is not None and learning.tasks)
    sentences = [found.advice, None if is_due else "Nothing needs to be done."]
    sentences.append(learning.message if learning is not None and learning.tags else None)
    return [sentence for sentence in sentences if sentence]
