"""Answers of the services as tables and lines for a person."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shared.cli.job_results import skipped
from shared.cli.progress import figures, stage_of
from shared.cli.receipt import outcome
from shared.cli.table_text import add_row, table_of
from shared.cli.table_text import fields as fields
from shared.cli.table_text import plain as plain
from shared.contracts.answer import Mode, SearchResponse
from shared.contracts.browsing import Images
from shared.contracts.curation import TrashPage
from shared.contracts.duplicates import DuplicatePlan
from shared.contracts.explore import DuplicateGroups
from shared.contracts.indexer import IndexHealth, SnapshotInfo
from shared.contracts.jobs import Failure, Job
from shared.contracts.labels import LabelCounts
from shared.contracts.query import Metric, Tags
from shared.contracts.stats import Stats
from shared.contracts.sync import SyncPlan
from shared.contracts.tag_audit import TagAudit
from shared.evaluation.results import Evaluation, TagResult

FAILURES_SHOWN = 20
_RECALLS = (0.9, 0.95, 0.99)


def hits(response: SearchResponse) -> Table:
    """The results of a search, best first."""
    judged = any(hit.probability is not None for hit in response.hits)
    timed = any(hit.time_s is not None for hit in response.hits)
    columns = ["rank", "relevance", *(["probability"] if judged else [])]
    columns += [*(["time"] if timed else []), "tags", "uri", "id"]
    table = table_of(columns, numbers=("rank", "relevance", "probability", "time"))
    for rank, hit in enumerate(response.hits, response.offset + 1):
        chance = "" if hit.probability is None else f"{hit.probability:.0%}"
        add_row(
            table,
            [rank, f"{hit.relevance:.3f}", *([chance] if judged else [])],
            [*([_clock(hit.time_s)] if timed else []), ", ".join(hit.tags), hit.uri, hit.id],
        )
    return table


def _clock(seconds: float | None) -> str:
    """Return minutes and seconds, or with hours; empty for a picture."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def search_summary(response: SearchResponse) -> str:
    """One line on how an answer came about and how right it is to be expected."""
    recall = response.recall
    if response.mode is Mode.TAG:
        looked = "every image with this tag was ranked"
    elif response.mode is Mode.TEXT:
        looked = "the text of every image was looked at"
    elif response.mode is Mode.COLOR:
        looked = "the colours of every image were looked at"
    else:
        clusters = "1 cluster" if recall.nprobe == 1 else f"{recall.nprobe:,} clusters"
        looked = f"{clusters} probed, {recall.scanned_fraction:.1%} scanned"
    parts = [
        f"mode {response.mode}",
        f"metric {response.metric}",
        f"snapshot {response.snapshot}",
        looked,
        f"expected recall {'unknown' if recall.expected is None else f'{recall.expected:.3f}'}",
    ]
    stages = ", ".join(f"{stage} {ms:.1f}" for stage, ms in response.timings_ms.items())
    return ", ".join(parts) + (f"; ms: {stages}" if stages else "")


_ABSENT = 0.5


def expected_sentences(response: SearchResponse) -> list[str]:
    """How many pictures match, and what the list promises, as far as the answer tells."""
    told = []
    expected, present = response.expected, response.present
    if expected is not None:
        verb = "matches" if expected.matches == 1 else "match"
        if present is not None and present < _ABSENT and not expected.low:
            told.append("Not in your collection: nothing seems to match.")
        elif expected.low == expected.high:
            told.append(f"{expected.matches:,} {verb}.")
        else:
            ends = f"{expected.low:,} to {expected.high:,}"
            told.append(f"About {expected.matches:,} {verb}, {ends}.")
    elif response.colors and not response.offset:
        told.append("How many match isn't told, as that is not measured for words with a colour.")
    promise = response.guarantee
    if promise is not None:
        told.append(
            f"The shortest list that holds a match with a chance of {promise.asked:.0%}."
            if promise.met
            else f"This collection can't promise a match with a chance of {promise.asked:.0%}."
        )
    return told


def images(found: Images) -> Table:
    """Images with the time when each was taken."""
    table = table_of(["taken", "tags", "uri", "id"])
    for one in found.images:
        add_row(table, [one.file.taken_at or "", ", ".join(one.tags), one.uri, one.id])
    return table


def tags(found: Tags) -> Table:
    """The tags with the number of images that carry each."""
    table = table_of(["tag", "images"], numbers=("images",))
    for one in found.tags:
        add_row(table, [one.tag, f"{one.count:,}"])
    return table


def audit(found: TagAudit) -> Table:
    """Suspicious tags, the most telling first."""
    table = table_of(["id", "tag", "rather", "gain", "uri"], numbers=("gain",))
    for one in found.found:
        add_row(table, [one.id, one.tag, one.rather or "", f"{one.gain:.3f}", one.uri])
    return table


def labels(found: LabelCounts) -> Table:
    """Labels with the number of images that show each, and of those that lack it as a tag."""
    table = table_of(["label", "images", "untagged"], numbers=("images", "untagged"))
    for one in found.labels:
        add_row(table, [one.name, f"{one.images:,}", f"{one.untagged:,}"])
    return table


def trash(found: TrashPage) -> Table:
    """The pictures in the trash, and when each goes for good."""
    table = table_of(["id", "tags", "uri", "deleted", "deleted for good"])
    for one in found.images:
        add_row(table, [one.id, ", ".join(one.tags), one.uri, one.deleted_at, one.expires_at or ""])
    return table


def duplicates(found: DuplicateGroups) -> Table:
    """Groups of pictures that show the same, one picture a row."""
    table = table_of(["group", "score", "uri", "id"], numbers=("group", "score"))
    for number, group in enumerate(found.groups, 1):
        for one in group:
            add_row(table, [number, f"{one.score:.3f}", one.uri, one.id])
    return table


def plan(found: DuplicatePlan) -> Table:
    """Groups of a plan: the kept picture, then those like it and what becomes of them."""
    table = table_of(["group", "kind", "fate", "chance", "uri", "id"], numbers=("group", "chance"))
    for number, group in enumerate(found.groups, 1):
        add_row(table, [number, "", "stays", "", group.kept.uri, group.kept.id])
        for it in group.others:
            fate = "goes" if it.goes else "stays"
            add_row(table, [number, it.kind, fate, f"{it.probability:.4f}", it.uri, it.id])
    return table


def jobs(found: Iterable[Job]) -> Table:
    table = table_of(["id", "kind", "state", "stage", "progress", "created", "error"])
    for job in found:
        stage = outcome(job.result) if job.state.ended else stage_of(job)
        add_row(
            table,
            [job.id, job.kind, job.state, stage, figures(job.progress)],
            [job.created_at, job.error or ""],
        )
    return table


def sync_plan(job: Job) -> RenderableType:
    """Render the plan of a sync, one line a file, with a count of each action."""
    plan = SyncPlan.model_validate((job.result or {})["plan"])
    table = table_of(["action", "uri", "was", "tags"])
    for step in plan.steps:
        add_row(table, [step.action, step.uri, step.was or "", ", ".join(step.tags)])
    rows: dict[str, Any] = {action.value: count for action, count in plan.counts.items() if count}
    rows |= {"unchanged": plan.unchanged, "to embed, at most": plan.embed}
    if plan.dismissed:
        rows["skipped, as their pictures were deleted"] = plan.dismissed
    if plan.left_out:
        rows["not listed here"] = plan.left_out
    if counts := (job.result or {}).get("skipped"):
        rows["skipped"] = skipped(counts)
    if plan.held_back:
        rows["held back"] = {one.folder: f"{one.files:,}: {one.reason}" for one in plan.held_back}
        rows["needs --force, or --force-in FOLDER, to delete the pictures held back"] = True
    elif plan.needs_force:
        rows["needs --force, as half of all files or all files of a folder are missing"] = True
    return Group(table, "", fields(rows.items())) if plan.steps else fields(rows.items())


def failures(found: Sequence[Failure], shown: int | None = None) -> Table:
    """The pictures that could not be taken; `shown` of them, or all."""
    table = table_of(["path", "reason"])
    for failure in found[:shown]:
        add_row(table, [failure.path, failure.reason])
    return table


def snapshots(found: Iterable[SnapshotInfo]) -> Table:
    columns = ["number", "current", "created", "reason", "images", "clusters", "model", "network"]
    table = table_of(columns, numbers=("number", "images", "clusters"))
    for one in found:
        add_row(
            table,
            [one.number, "yes" if one.current else "", one.created_at, one.reason],
            [f"{one.images:,}", f"{one.clusters:,}", one.model or "", one.network or ""],
        )
    return table


def stats(found: Stats) -> Text:
    """The collection in a few lines; the whole curves are for programs."""
    rows = found.model_dump(
        mode="json", exclude={"recall_curve", "calibration", "drift", "learning"}
    )
    if found.drift is not None:
        verdict = "served" if found.drift.served else "searches by picture are refused"
        rows["drift"] = f"{found.drift.distance:.1e}, {verdict}"
    if found.learning is not None:
        rows["learning"] = found.learning.message
    return fields(rows.items())


def health(found: IndexHealth) -> Text:
    """The figures of the index; the advice stands apart."""
    rows = found.model_dump(mode="json", exclude={"advice", "learning", "codes", "reclustered"})
    if (last := found.reclustered) is not None:
        rows["reclustered"] = f"{last.lists:,} of {last.clusters:,} clusters; {last.moved:,} images"
    if found.codes is not None:
        rows["codes"] = f"{found.codes.bytes} bytes for {found.codes.directions} directions"
    return fields(rows.items())


def recall(found: Stats) -> Table:
    """Show the number of clusters measured for each recall, in each space by its own metric."""
    table = table_of(["space", "recall", "of the nearest", "clusters at most", "scanned"])
    shown = [("visual", found.metric), ("joint", Metric.COSINE)]
    for space, metric in shown:
        curves = [c for c in found.recall_curve if (c.space, c.metric) == (space, metric)]
        if not curves:
            continue
        curve = min(curves, key=lambda one: one.k)
        for target in _RECALLS:
            point = curve.least_work(target)
            if point is not None:
                how = [f"{point.nprobe:,}", f"{point.scanned_fraction:.1%}"]
                add_row(table, [space, f"{target:g}", curve.k], how)
    return table


def calibration(found: Stats) -> Table:
    """Render the worth of probabilities, measured on queries that they were not fitted on."""
    table = table_of(
        ["space", "metric", "queries", "calibration error", "Brier", "of the base rate"]
    )
    for one in found.calibration:
        figures = [f"{x:.3f}" for x in (one.expected_error, one.brier, one.base_rate_brier)]
        space = f"{one.space}, other terms" if one.untrained else one.space
        add_row(table, [space, one.metric, f"{one.queries:,}"], figures)
    return table


def evaluation(found: Evaluation, figures: Sequence[str]) -> Table:
    """Return the label quality of each setting, with its recall and time."""
    columns = ["setting", *figures, "recall@10", "median ms"]
    table = table_of(columns, numbers=columns[1:])
    for one in found.settings:
        quality = [f"{one.figures[figure].mean:.3f}" for figure in figures]
        add_row(table, [one.name, *quality, f"{one.recall_at_10:.3f}", f"{one.median_ms:.1f}"], [])
    return table


def tag_figures(found: TagResult) -> Table:
    """Return figures of searches by tag: all tags, those that the network was trained on, and the
    others.
    """
    table = table_of(["tags", "number", "mAP"], numbers=("number", "mAP"))
    add_row(table, ["all", f"{found.tags:,}", f"{found.mean_average_precision.mean:.3f}"])
    for name, mean, seen in (("seen", found.seen, True), ("unseen", found.unseen, False)):
        if mean is not None:
            count = sum(one.seen is seen for one in found.terms)
            add_row(table, [name, f"{count:,}", f"{mean.mean:.3f}"])
    if found.unseen_apart is not None:
        shown = ["unseen, among images of unseen tags", "", f"{found.unseen_apart.mean:.3f}"]
        add_row(table, shown)
    return table
