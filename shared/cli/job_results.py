"""Results of jobs for a person; every figure only where it is asked for."""

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from shared.cli.receipt import change_words, cost_words, read_receipt
from shared.cli.table_text import fields
from shared.contracts.jobs import Job

# Descriptions of the reasons for skipping files of a source.
_SKIPPED = {
    "system": "system files and folders",
    "hidden": "hidden files and folders",
    "excluded": "excluded files and folders",
    "links": "links (--follow-links follows those to folders)",
    "special_files": "special files",
    "not_pictures": "files of no picture format",
}
# Names of what came of a job, in the words of a person.
_NAMES = {
    "embedded": "pictures added",
    "already_there": "there already",
    "failed": "could not be read",
    "replaced": "replaced files",
    "images": "pictures in the collection",
    "not_trained": "words not learnt",
}
# Of use to whoever looks into the model or the index.
_FIGURES = {
    *("snapshot", "clusters", "network", "model", "fingerprint", "files", "untrained_tags"),
}
_ALWAYS = {"embedded", "added", "images"}


def skipped(counts: Mapping[str, int]) -> str:
    """Return one line on the skipped files of a source, by reason."""
    return ", ".join(f"{n:,} {_SKIPPED.get(why, why)}" for why, n in counts.items() if n) or "none"


def job_result(job: Job, verbose: bool = False) -> Text:
    """Render the result of a job that succeeded: what came of it; `verbose`: all its figures."""
    rows = dict(job.result or {})
    if not verbose:
        rows = _plain(rows)
    if isinstance(counts := rows.get("skipped"), dict):
        rows["skipped"] = skipped(counts)
    if (receipt := read_receipt(rows)) is not None:
        rows["receipt"] = change_words(receipt)
        rows["takes"] = cost_words(receipt)
    if notes := rows.pop("tag_notes", None):
        rows["tags"] = " ".join(notes)
    if isinstance(report := rows.get("report"), dict):
        rows["report"] = {name: v for name, v in report.items() if name != "calibration"}
    if steps := rows.get("skipped_steps"):
        rows["skipped_steps"] = {one["step"]: one["reason"] for one in steps}
    if notes := rows.pop("file_notes", None):
        rows["pictures with a fault"] = [f"{one['path']}: {one['note']}" for one in notes]
    if isinstance(held := rows.get("held_back"), list):
        rows["held_back"] = {one["folder"]: one["files"] for one in held}
    return fields(rows.items() if verbose else ((_NAMES.get(k, k), v) for k, v in rows.items()))


def _plain(rows: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person wants to know: no figures of models, and nothing that didn't happen."""
    told: dict[str, Any] = {}
    for name, value in rows.items():
        if name == "report" and isinstance(value, dict) and "terms" in value:
            told["words learnt"] = value["terms"]
            told["words unknown to the model"] = value.get("terms_without_word") or None
        elif name not in _FIGURES:
            told[name] = value
    return {name: value for name, value in told.items() if name in _ALWAYS or _happened(value)}


def _happened(value: Any) -> bool:
    return any(value.values()) if isinstance(value, dict) else bool(value)
