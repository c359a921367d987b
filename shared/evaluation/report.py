"""HTML report in one self-contained file."""

import base64
from collections.abc import Callable, Iterable, Sequence
from html import escape

from shared.evaluation import plots
from shared.evaluation.measure import FIGURES
from shared.evaluation.results import (
    Comparison,
    Estimate,
    Evaluation,
    QueryResult,
    SettingResult,
    TagResult,
)

_SHOWN = 6

Thumbnail = Callable[[str], bytes | None]

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem }
table { border-collapse: collapse } th, td { padding: .25rem .7rem; text-align: right }
th { border-bottom: 1px solid #888; font-weight: 600 }
td:first-child, th:first-child { text-align: left }
svg text { font: 11px system-ui, sans-serif; fill: #555 } small { color: #666 }
.row { display: flex; gap: 4px; align-items: center; margin: 4px 0 }
.row img, .none { width: 76px; height: 76px; object-fit: cover; border: 3px solid transparent }
.none { background: #ddd } .right { border-color: #1a7f37 } .wrong { border-color: #d1242f }
.query { margin-right: 12px } .plots { display: flex; flex-wrap: wrap; gap: 1rem }
"""


def html(found: Evaluation, thumbnail: Thumbnail) -> str:
    """Render the report. `thumbnail` returns the JPEG of an image, or None."""
    parts = [
        f"<h1>Evaluation of the collection</h1>{_about(found)}",
        "<h2>Label quality</h2>",
        "<p>Each query is an image of the collection, compared with all others. A hit is correct "
        "if it shares a label with the query. In brackets: 95 % bootstrap intervals.</p>",
        _quality(found.settings),
        *(_comparison(one) for one in found.comparisons),
        _tags(found),
        "<h2>Recall and time</h2>",
        "<p>Recall@10 compares with an exact search, before any re-rank: it measures the loss by "
        "the index, independent of labels. Times are for whole requests of 10 hits.</p>",
        _speed(found.settings),
        '<div class="plots">',
        _curve(found),
        _reliability(found.settings),
        "</div>",
        *_examples(found.settings[0], thumbnail),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<link rel="icon" href="data:,">'
        f"<title>Evaluation</title><style>{_STYLE}</style></head><body>{''.join(parts)}"
        "</body></html>\n"
    )


def _about(found: Evaluation) -> str:
    return (
        f"<p>{found.images:,} images, {found.labelled:,} of them with one of {found.labels:,} "
        f"labels; snapshot {found.snapshot}, model {escape(found.model or 'none')}. "
        f"{len(found.settings[0].queries):,} queries with {found.depth:,} hits each; "
        f"{found.seconds:.0f} s. {escape(found.created_at)}</p>"
    )


def _quality(settings: Sequence[SettingResult]) -> str:
    return _table(
        ["setting", *FIGURES],
        ([one.name, *(_shown(one.figures[f]) for f in FIGURES)] for one in settings),
    )


def _comparison(one: Comparison) -> str:
    title = f"{one.second} minus {one.first}, {one.queries:,} paired queries"
    row = [title, *(_shown(one.differences[f], "+") for f in FIGURES)]
    return f"<h3>Comparison</h3>{_table(['difference', *FIGURES], [row])}"


def _tags(found: Evaluation) -> str:
    tags = found.tags
    if tags is None:
        return ""
    rows = [["all", f"{tags.tags:,}", _shown(tags.mean_average_precision)]]
    for name, mean, seen in (("seen", tags.seen, True), ("unseen", tags.unseen, False)):
        if mean is not None:
            rows.append([name, f"{sum(one.seen is seen for one in tags.terms):,}", _shown(mean)])
    if tags.unseen_apart is not None:
        rows.append(["unseen, among images of unseen tags", "", _shown(tags.unseen_apart)])
    return (
        "<h2>Search by tag</h2><p>Each tag ranks all labelled images by their joint vectors. The "
        "matching network was trained on the seen tags, possibly with these very images, but not "
        "on the unseen ones.</p>"
        f"{_table(['tags', 'number', 'mAP'], rows)}"
        f"{_terms('Seen', tags, True)}{_terms('Unseen', tags, False)}"
        f"<p><small>Omitted, without a word vector: {_list(tags.without_word)}</small></p>"
    )


def _terms(title: str, tags: TagResult, seen: bool) -> str:
    terms = sorted((one for one in tags.terms if one.seen is seen), key=lambda one: one.term)
    if not terms:
        return ""
    listed = _list(f"{one.term} {one.average_precision:.2f}" for one in terms)
    return f"<p><small>{title}, each with its average precision: {listed}</small></p>"


def _list(names: Iterable[str]) -> str:
    return escape(", ".join(names)) or "none"


def _speed(settings: Sequence[SettingResult]) -> str:
    return _table(
        ["setting", "recall@10", "median ms", "95th percentile ms", "error of probabilities"],
        (
            [
                one.name,
                f"{one.recall_at_10:.3f}",
                f"{one.median_ms:.1f}",
                f"{one.p95_ms:.1f}",
                "-" if one.expected_error is None else f"{one.expected_error:.3f}",
            ]
            for one in settings
        ),
    )


def _curve(found: Evaluation) -> str:
    points = [(point.median_ms, point.recall_at_10) for point in found.curve]
    drawn = plots.lines([("", points)], "median ms of a request", "recall@10")
    return f"<figure>{drawn}<figcaption>Recall by time</figcaption></figure>"


def _reliability(settings: Sequence[SettingResult]) -> str:
    series = [
        (one.name, [(point.predicted, point.matched) for point in one.reliability])
        for one in settings
        if one.reliability
    ]
    if not series:
        return "<p>No probabilities were fitted.</p>"
    drawn = plots.lines(series, "predicted probability", "share of matches", diagonal=True)
    return f"<figure>{drawn}<figcaption>Reliability of probabilities</figcaption></figure>"


def _examples(setting: SettingResult, thumbnail: Thumbnail) -> Iterable[str]:
    order = sorted(setting.queries, key=lambda one: (one.figures["mAP"], one.id))
    for title, some in (("Worst", order[:_SHOWN]), ("Best", order[::-1][:_SHOWN])):
        yield f"<h2>{title} queries, setting {escape(setting.name)}</h2>"
        yield from (_example(one, thumbnail) for one in some)


def _example(one: QueryResult, thumbnail: Thumbnail) -> str:
    hits = "".join(
        _picture(image_id, "right" if right else "wrong", thumbnail)
        for image_id, right in zip(one.top, one.right, strict=True)
    )
    caption = f"<small>AP {one.figures['mAP']:.3f}</small>"
    return f'<div class="row">{_picture(one.id, "query", thumbnail)}{hits}{caption}</div>'


def _picture(image_id: str, kind: str, thumbnail: Thumbnail) -> str:
    data = thumbnail(image_id)
    name = escape(image_id)
    if data is None:
        return f'<div class="none {kind}" title="{name}"></div>'
    source = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
    return f'<img class="{kind}" src="{source}" alt="{kind}" title="{name}">'


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(value)}</td>" for value in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _shown(one: Estimate, sign: str = "") -> str:
    return f"{one.mean:{sign}.3f} ({one.low:{sign}.3f} to {one.high:{sign}.3f})"
