"""`ise text`: read the text in pictures, so that terms find it."""

from typing import Annotated

import typer

from shared.cli.jobs import run_job
from shared.cli.session import AsJson, session
from shared.clients import indexer
from shared.contracts.jobs import Job
from shared.contracts.text import TextRequest


def text(
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Also pictures that another version read, or whose files were missing."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read the text in pictures that were not read yet; the extra `ocr` does it by itself.

    `ise search --term '"emergency exit"'` finds it.
    """
    with session(as_json) as opened:
        run_job(opened, indexer.read_text(TextRequest(again=again)), _read)


def _read(job: Job) -> str:
    result = job.result or {}
    return f"{result.get('read', 0):,} pictures were read, with {result.get('words', 0):,} words."
