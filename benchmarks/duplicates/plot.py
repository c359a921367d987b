"""Plot of what is found of each kind of change, and of the budgets asked and kept."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot

_BUDGET = "0.02"


def draw(found: dict[str, Any], path: Path) -> None:
    """Write the plot of a result."""
    figure, (kinds, budgets) = pyplot.subplots(1, 2, figsize=(11, 4.2))
    by_kind = sorted(found["whole"][_BUDGET]["found_by_kind"].items(), key=lambda one: one[1])
    bars = kinds.barh([name for name, _ in by_kind], [share for _, share in by_kind])
    kinds.bar_label(bars, fmt="%.3f", padding=3, fontsize=8)
    kinds.set(xlim=(0, 1.12), xlabel="share of copies found, budget 2 %")
    asked = [one["budget"] for one in found["runs"]]
    budgets.plot(asked, asked, color="grey", linewidth=1, label="asked")
    for name, label in (("told", "told at most"), ("false_discoveries", "wrong")):
        shares = [
            one["most"] / max(one["deleted"], 1) if name == "told" else one[name]
            for one in found["runs"]
        ]
        budgets.plot(asked, shares, marker="o", label=label)
    for one in found["runs"]:
        budgets.annotate(
            f"kept in {one['kept']:.1%}\nrecall {one['recall']:.3f}",
            (one["budget"], one["budget"]),
            textcoords="offset points",
            xytext=(4, -24),
            fontsize=7,
        )
    budgets.set(xscale="log", xlabel="budget", ylabel="share of the deleted pictures")
    budgets.legend(fontsize=8)
    budgets.grid(visible=True, alpha=0.2)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    # The same result gives the same file.
    with mpl.rc_context({"svg.hashsalt": "duplicates"}):
        figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
