"""`ise migrate`: the collection goes to the other engine."""

from typing import Annotated

import typer

from shared.cli.jobs import run_job
from shared.cli.session import AsJson, Verbose, session
from shared.clients import indexer
from shared.contracts.migration import MigrateRequest
from shared.core.engine import Engine


def migrate(
    to: Annotated[
        Engine, typer.Option("--to", help="Target engine; ISE_ENGINE must already name it.")
    ],
    sample: Annotated[
        int,
        typer.Option(
            "--sample",
            min=8,
            max=1000,
            help="Number of images to compare both engines' answers on.",
        ),
    ] = 256,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Move the collection to the other engine while searches continue; run it again to resume."""
    with session(as_json, verbose) as opened:
        run_job(opened, indexer.migrate_index(MigrateRequest(to=to, sample=sample)))
