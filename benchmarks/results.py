"""Results as JSON files, each with the machine it was measured on."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine

SUMMARY = "summary.json"


def write(folder: Path, name: str, found: dict[str, Any]) -> Path:
    """Writes a result as `<name>.json`, in place of an earlier one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    when = datetime.now(UTC).isoformat(timespec="seconds")
    whole = {"measured_at": when, "machine": machine.describe(), **found}
    path.write_text(json.dumps(whole, indent=1) + "\n")
    return path


def summarize(folder: Path) -> dict[str, Any]:
    """Puts the newest results into the summary, which keeps what they don't have; gives it."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = folder / SUMMARY
    known: dict[str, Any] = json.loads(summary.read_text()) if summary.exists() else {}
    for path in sorted(folder.glob("*.json")):
        if path.name != SUMMARY:
            known[path.stem] = json.loads(path.read_text())
    summary.write_text(json.dumps(known, indent=1) + "\n")
    return known
