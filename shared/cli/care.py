"""`ise check`, `ise repair`, `ise backup` and `ise restore`: care of the data directory itself.

They need no service; the indexer's own code does the work, as a process of its own.
"""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from shared.cli.session import AsJson


def check(as_json: AsJson = False) -> None:
    """Verify every file of the data directory, and that the files agree. Exits with 1 if not."""
    _run("check", as_json)


def repair(
    apply: Annotated[
        bool, typer.Option("--apply", help="Apply the repairs. Without it, only list them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Repair damaged files from intact ones; the indexer must be stopped."""
    _run("repair", as_json, *(["--apply"] if apply else []))


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder, or one with an earlier backup.")],
    link: Annotated[
        bool,
        typer.Option(
            "--link", help="Use hard links. Fast, but no protection against a failing disk."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy the collection to a folder while the services run, and verify the copy."""
    _run("backup", as_json, str(folder), *(["--link"] if link else []))


def restore(
    folder: Annotated[Path, typer.Argument(help="A folder that `ise backup` wrote.")],
    as_json: AsJson = False,
) -> None:
    """Copy a backup to ISE_DATA_DIR, which must be new or empty, and verify it."""
    _run("restore", as_json, str(folder))


def _run(command: str, as_json: bool, *arguments: str) -> None:
    called = [sys.executable, "-m", "services.indexer.care", command, *arguments]
    raise typer.Exit(subprocess.run([*called, *(["--json"] if as_json else [])]).returncode)  # noqa: S603
