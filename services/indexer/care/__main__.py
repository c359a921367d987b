"""`python -m services.indexer.care check|repair|backup|restore`: what `ise check` and so on run."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from services.indexer.care.backup import BackupWriter, restore
from services.indexer.care.check import findings
from services.indexer.care.finding import Finding
from services.indexer.care.folder import opened
from services.indexer.care.repair import Repair
from services.indexer.config import IndexerSettings
from services.indexer.storage import last_backup
from shared.core import startup_errors
from shared.core.errors import ISEError
from shared.core.printable import escaped


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all is well; 1: something is wrong, or could not be done."""
    asked = _parser().parse_args(arguments)
    commands = {"check": _check, "repair": _repair, "backup": _backup, "restore": _restore}
    try:
        settings = IndexerSettings()
        settings.keep_files_private()
        return commands[asked.command](settings, asked)
    except ISEError as error:
        startup_errors.say(error.detail)
    except OSError as error:
        startup_errors.say(f"{error.strerror or error}: {error.filename or 'the data directory'}.")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("check", "repair", "backup", "restore"):
        command = commands.add_parser(name)
        command.add_argument("--json", action="store_true")
        if name in ("backup", "restore"):
            command.add_argument("folder", type=Path)
        if name == "backup":
            command.add_argument("--link", action="store_true")
        if name == "repair":
            command.add_argument("--apply", action="store_true")
    return parser


def _check(settings: IndexerSettings, asked: argparse.Namespace) -> int:
    with opened(settings.data_dir, settings.catalog_url) as folder:
        found = list(findings(folder))
    wrong = [finding for finding in found if not finding.is_harmless]
    lines = [finding.sentence for finding in found]
    count = f"{len(wrong)} things are wrong" if wrong else f"{settings.data_dir} is intact"
    if harmless := len(found) - len(wrong):
        count += f"; {harmless} more are harmless"
    _say(asked, {"intact": not wrong, "findings": [_told(f) for f in found]}, [*lines, f"{count}."])
    return 1 if wrong else 0


def _repair(settings: IndexerSettings, asked: argparse.Namespace) -> int:
    # Listing the repairs changes nothing, so a running indexer is allowed.
    does = asked.apply
    with opened(settings.data_dir, settings.catalog_url, migrate=does, alone=does) as folder:
        deeds = Repair(folder).plan()
        for deed in deeds if asked.apply else ():
            if deed.do is not None:
                deed.do()
    left = [deed for deed in deeds if not deed.is_mended and not deed.finding.is_harmless]
    lines = [f"{deed.finding.sentence} {deed.sentence}" for deed in deeds]
    mended = sum(deed.is_mended for deed in deeds)
    done = "were mended" if asked.apply else "can be mended: `ise repair --apply` does it"
    body = {
        "applied": asked.apply,
        "deeds": [
            _told(deed.finding) | {"deed": deed.sentence, "mended": deed.is_mended}
            for deed in deeds
        ],
    }
    _say(asked, body, [*lines, f"{mended} of {len(deeds)} {done}." if deeds else "All is well."])
    return 1 if left else 0


def _backup(settings: IndexerSettings, asked: argparse.Namespace) -> int:
    with opened(settings.data_dir, settings.catalog_url) as folder:
        made = BackupWriter(folder, asked.folder, asked.link).write()
    try:
        last_backup.note(settings.data_dir, made.created_at)
    except OSError as error:
        # The backup is complete; only the metric of its age is missing.
        sys.stderr.write(escaped(f"{error.filename} can't be written: {error.strerror}.") + "\n")
    told = f"{made.images} images, {made.files} files, {made.copied} of them copied; verified."
    _say(asked, asdict(made), [f"{asked.folder}: {told}"])
    return 0


def _restore(settings: IndexerSettings, asked: argparse.Namespace) -> int:
    made = restore(asked.folder, settings.data_dir, settings.catalog_url)
    _say(asked, asdict(made), [f"{settings.data_dir}: {made.images} images, verified."])
    return 0


def _told(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind.value,
        "path": str(finding.path),
        "sentence": finding.sentence,
        "harmless": finding.is_harmless,
    }


def _say(asked: argparse.Namespace, body: dict[str, Any], lines: list[str]) -> None:
    shown = json.dumps(body, indent=1) if asked.json else "\n".join(map(escaped, lines))
    sys.stdout.write(shown + "\n")


if __name__ == "__main__":
    sys.exit(main())
