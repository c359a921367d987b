"""The section on how right the product says it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.certainty import plots
from benchmarks.tables import measured_on, table

_EXPECTED, _RECEIPT = "expected-", "receipt-"
_KINDS = ("pictures", "words", "tags")


def certainty(summary: Mapping[str, dict[str, Any]], docs: Path) -> list[str]:
    """Write the plots and return the section; nothing where nothing was measured."""
    expected = {
        name.removeprefix(_EXPECTED).removeprefix("torchvision-"): found
        for name, found in summary.items()
        if name.startswith(_EXPECTED)
    }
    receipts = {
        name.removeprefix(_RECEIPT): found
        for name, found in summary.items()
        if name.startswith(_RECEIPT)
    }
    if not expected and not receipts:
        return []
    files = plots.write(expected, receipts, docs / "benchmarks")
    lines = ["## How right it says it is", "", "[RANKING.md](RANKING.md) tells what is meant.", ""]
    if expected:
        heads = ["", "searches", "covered", "half-width", "AUROC", "false absent", "absent found"]
        rows = [
            _row(f"{network}, {kind}", found[kind])
            for network, found in expected.items()
            for kind in _KINDS
            if kind in found
        ]
        lines += [
            measured_on(next(iter(expected.values()))),
            "",
            "`python -m benchmarks expected --photos caltech101 --network lite --collections 3`:",
            "",
            *table(heads, rows),
            "",
        ]
    for photos, receipt in receipts.items():
        lines += [
            measured_on(receipt),
            "",
            f"`python -m benchmarks receipt --photos {photos}`: {len(receipt['trials'])} trials, "
            f"what came inside the 95 % interval in {receipt['inside']:.1%}; half-width "
            f"{receipt['half_width']:.3f} in the middle, root of the mean squared error "
            f"{receipt['error']:.3f}.",
            "",
        ]
    for name in files:
        what = name.removeprefix("certainty-").removesuffix(".svg")
        lines += [f"![{what}](benchmarks/{name})", ""]
    return ["\n".join(lines)]


def _row(name: str, told: Mapping[str, Any]) -> list[str]:
    def figure(key: str) -> str:
        value = told.get(key)
        return "" if value is None else f"{value:.3f}"

    return [
        name,
        f"{told.get('searches', told.get('tags', 0)):,.0f}",
        *map(figure, ("covered", "half_width_in_the_middle", "auroc_of_presence")),
        *map(figure, ("false_absent", "absent_found")),
    ]
