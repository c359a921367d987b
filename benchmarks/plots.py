"""Pictures of a result: recall against queries per second, and memory."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot

_RECALL_FROM = 0.7


def speed(found: dict[str, Any], path: Path) -> None:
    """Recall against queries per second; up and to the right is better."""
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for name, entry in found["contenders"].items():
        points = [p for p in entry.get("points", []) if p["recall"] >= _RECALL_FROM]
        front = _front([(p["recall"], 1 / p["seconds"]) for p in points])
        if front:
            ours = name.startswith("ours")
            recalls, rates = zip(*front, strict=True)
            axes.plot(recalls, rates, marker="o", markersize=3, linewidth=2 if ours else 1,
                      label=name)  # fmt: skip
    axes.set(yscale="log", xlabel=f"recall@{found['k']}", ylabel="queries per second, one thread")
    axes.set_title(f"{found['collection']}: {found['rows']:,} x {found['dim']}")
    axes.grid(visible=True, which="both", alpha=0.2)
    axes.legend(fontsize=7)
    _save(figure, path)


def memory(found: dict[str, Any], path: Path) -> None:
    """Anonymous resident memory of each."""
    held = {
        name: entry["held"]["anonymous_mib"]
        for name, entry in found["contenders"].items()
        if "held" in entry
    }
    names = sorted(held, key=lambda name: held[name], reverse=True)
    figure, axes = pyplot.subplots(figsize=(7, 3.5))
    bars = axes.barh(names, [held[name] for name in names])
    axes.bar_label(bars, fmt="%.0f", padding=3, fontsize=8)
    axes.set(xlabel="MiB of anonymous memory above the process before it opened its index")
    axes.set_title(f"{found['collection']}: {found['rows']:,} x {found['dim']}")
    _save(figure, path)


def _front(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points that no other point beats in both, by recall."""
    best: list[tuple[float, float]] = []
    for recall, rate in sorted(points, reverse=True):
        if not best or rate > best[-1][1]:
            best.append((recall, rate))
    return best[::-1]


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    # The same result gives the same file.
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
