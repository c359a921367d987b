"""Plots of how right the product says it is, one for each thing that it must show."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot

Found = Mapping[str, dict[str, Any]]
"""Results of `python -m benchmarks expected` by network, or of `receipt` by photos."""

_SIZE = (6, 3.6)
_AIM = "tab:green"
_STYLE = {"svg.fonttype": "none", "font.size": 9, "svg.hashsalt": "certainty"}


def write(expected: Found, receipts: Found, folder: Path) -> list[str]:
    """Write the plots whose results are there; return the names of their files."""
    drawn = {
        "expected": _expected,
        "promises": _promises,
        "absence": _absence,
        "clicks": _clicks,
        "audit": _audit,
    }
    names = []
    with mpl.rc_context(_STYLE):
        for name, draw in drawn.items() if expected else ():
            figure, axes = pyplot.subplots(figsize=_SIZE)
            draw(axes, expected)
            names.append(_save(figure, folder, name))
        for photos, receipt in receipts.items():
            figure, axes = pyplot.subplots(figsize=_SIZE)
            _receipt(axes, photos, receipt)
            names.append(_save(figure, folder, f"receipt-{photos}"))
    return names


def _expected(axes: Any, found: Found) -> None:
    points = [
        (f"{network}, {kind}", told[kind]["covered"], told[kind]["half_width_in_the_middle"])
        for network, told in found.items()
        for kind in ("pictures", "words", "tags")
        if "covered" in told.get(kind, {})
    ]
    names, covered, halves = zip(*points, strict=True)
    axes.axvspan(0.87, 0.93, color=_AIM, alpha=0.15, label="aim of the coverage")
    axes.axvline(1 / 3, color=_AIM, linestyle="--", label="aim of the half-width, at most")
    axes.plot(covered, names, "o", label="90 % interval covers the truth")
    axes.plot(halves, names, "s", label="half-width over the truth, in the middle")
    axes.set(xlim=(0, 1.02), title="How many match: classes that nothing was learnt from")
    axes.invert_yaxis()
    axes.legend(fontsize=7, loc=(0.5, 0.45))


def _promises(axes: Any, found: Found) -> None:
    asked = [0.8, 0.9, 0.95]
    axes.fill_between(
        asked, [one - 0.02 for one in asked], [one + 0.02 for one in asked],
        color=_AIM, alpha=0.15, label="aim",
    )  # fmt: skip
    for network, told in found.items():
        lists = told["pictures"]["promises"]
        (line,) = axes.plot(
            asked, [lists[str(one)]["covered"] for one in asked], "o-", label=network
        )
        longer = [
            (one, lists[str(one)]["of_lists_longer_than_one"])
            for one in asked
            if lists[str(one)]["of_lists_longer_than_one"] is not None
        ]
        if longer:
            name = f"{network}, lists of two and more"
            axes.plot(*zip(*longer, strict=True), ":", color=line.get_color(), label=name)
    axes.set(xlabel="asked", ylabel="lists that hold a match", title="Promised lists")
    axes.legend(fontsize=7)


def _absence(axes: Any, found: Found) -> None:
    for network, told in found.items():
        for kind in ("pictures", "words"):
            if "roc" in told.get(kind, {}):
                false, right = zip(*told[kind]["roc"], strict=True)
                area = told[kind]["auroc_of_presence"]
                axes.plot(false, right, label=f"{network}, {kind}: AUROC {area:.3f}")
    axes.axvline(0.05, color=_AIM, linestyle="--", label="called absent though there, at most")
    axes.set(xlabel="called absent though there", ylabel="called absent where it is")
    axes.set_title("Not in your collection: classes taken out")
    axes.legend(fontsize=7, loc="lower right")


def _clicks(axes: Any, found: Found) -> None:
    for network, told in found.items():
        for way, line in (("screens", "o-"), ("one_by_one", "x:")):
            start = f"within_0.05_{way}_"
            points = sorted(
                (int(name.removeprefix(start)), value)
                for name, value in told["judgements"].items()
                if name.startswith(start)
            )
            if points:
                axes.plot(*zip(*points, strict=True), line, label=f"{network}, {way}")
    axes.axhline(0.95, color=_AIM, linestyle="--", label="aim, with 60 clicks")
    axes.axvline(60, color=_AIM, linestyle="--")
    axes.set(xlabel="clicks", ylabel="P@10 within 0.05", title="Measured by a person's clicks")
    axes.legend(fontsize=7)


def _audit(axes: Any, found: Found) -> None:
    for network, told in found.items():
        start = "precision_at_"
        points = sorted(
            (int(name.removeprefix(start)), value) for name, value in told["audit"].items()
        )
        axes.plot(*zip(*points, strict=True), "o-", label=network)
    axes.axhline(0.7, color=_AIM, linestyle="--", label="aim, of the first 50")
    axes.set(xlabel="first tags of the audit", ylabel="truly wrong", ylim=(0, 1.02))
    axes.set_title("Audit: 5 % of the tags made wrong")
    axes.legend(fontsize=7)


def _receipt(axes: Any, photos: str, found: Mapping[str, Any]) -> None:
    trials = sorted(found["trials"], key=lambda one: float(one["came"]))
    places = range(len(trials))
    middle = [one["expected"] for one in trials]
    below = [one["expected"] - one["low"] for one in trials]
    above = [one["high"] - one["expected"] for one in trials]
    axes.errorbar(places, middle, [below, above], fmt="o", markersize=3, linewidth=1,
                  label="expected by 500 pictures")  # fmt: skip
    axes.plot(places, [one["came"] for one in trials], "k_", label="came")
    axes.set(xlabel="trials, by what came", ylabel="change of P@10")
    axes.set_title(f"Receipt, {photos}: {found['inside']:.1%} inside the 95 % interval")
    axes.legend(fontsize=7)


def _save(figure: Any, folder: Path, name: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    path = folder / f"certainty-{name}.svg"
    # The same result gives the same file.
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return path.name
