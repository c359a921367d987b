"""Colours in terms: photos whose colours were judged by eye, made pictures, words with a colour.

python -m benchmarks.colors --photos ../shared/data/photos

`judged_colors.tsv` names the colours of 300 photos, drawn by chance from two collections: those of
the main thing, and those of the rest. They were written down by looking at the photos, before there
was anything that measures colours. What one might or might not call so counts as neither.
"""

import argparse
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks.matching import photos as matching_photos
from services.embedder.matching.joint_maker import JointMaker
from services.embedder.matching.packaged_curve import packaged_curves
from services.embedder.registry import load_backbone
from services.embedder.words.meanings import Meanings
from services.embedder.words.vectors import load_words
from shared.core.color_names import COLORS, NAMES
from shared.maths import calibration, color_chances
from shared.maths.standard_scores import ScoreSample
from shared.media.colors import central, named, shares_of

Floats = NDArray[np.float64]

JUDGED = Path(__file__).with_name("judged_colors.tsv")
_PLAIN = ("white", "black", "grey", "pink")
"""Colours that the ground of a cut-out may have; nobody says whether they count."""
_SIDE = 256
_FIRST = 20
_COVER = 0.9
_MADE = 600
_SHADES = {
    "black": ["#000000", "#141414", "#1c1a1e"],
    "white": ["#ffffff", "#fafafa", "#f5f3f0"],
    "grey": ["#808080", "#9a9a9a", "#6e7073"],
    "red": ["#e01010", "#c41e24", "#ff2a1f", "#a8101c"],
    "orange": ["#ff8c00", "#f57c1f", "#ffa02e"],
    "yellow": ["#ffe600", "#f7d417", "#fff04d"],
    "green": ["#1f8f2f", "#35b54a", "#0b6b2b", "#7ac943"],
    "blue": ["#1f4fd8", "#2f7fe0", "#12308f", "#56a5f5"],
    "purple": ["#7a2aa8", "#8f45c7", "#5b1a80"],
    "pink": ["#ff8fc0", "#f7a8c8", "#ff69b4"],
    "brown": ["#7a4a21", "#5c3317", "#8b5a2b"],
}


@dataclass(frozen=True)
class Judged:
    """A photo, and whether it shows each of NAMES: 1, 0, or NaN where that is unclear.

    thing: of the main thing alone; whole: of all that the photo shows.
    """

    name: str
    thing: Floats
    whole: Floats


def judged() -> list[Judged]:
    """Return the photos that were judged."""
    found = []
    for line in JUDGED.read_text("utf-8").splitlines()[1:]:
        name, thing, rest = line.split("\t")
        own, others = thing.split(), rest.split()
        found.append(Judged(name, _told(own, others), _told([*own, *others], others)))
    return found


def _told(words: Sequence[str], rest: Sequence[str]) -> Floats:
    told = np.zeros(len(NAMES))
    unclear = [word[1:] for word in words if word.startswith("?")]
    unclear += _PLAIN if "plain" in rest else ()
    for name in unclear:
        told[NAMES.index(name)] = np.nan
    for name in words:
        if name in NAMES:
            told[NAMES.index(name)] = 1
    return told


def shares(image: Image.Image) -> Floats:
    """Return the share of each of NAMES in a picture, as the network's input has them."""
    found = shares_of(central(np.asarray(image.convert("RGB"))))
    return np.array([found.get(name, 0.0) for name in NAMES])


def average_precision(scores: Floats, right: Floats) -> tuple[float, float]:
    """Return the average precision and the precision of the first ten, of what is clear."""
    clear = ~np.isnan(right)
    order = np.argsort(-scores[clear], kind="stable")
    hits = right[clear][order]
    precise = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float((precise * hits).sum() / max(hits.sum(), 1)), float(hits[:10].mean())


def of_names(path: Path) -> None:
    """Names that people gave colours: `name<TAB>#rrggbb`, as in xkcd's survey (rgb.txt)."""
    right = total = 0
    for line in path.read_text("utf-8").splitlines():
        name, _, code = line.partition("\t")
        last = name.split()[-1] if name.split() else ""
        last = {"gray": "grey", "violet": "purple", "magenta": "pink"}.get(last, last)
        if last not in COLORS or not code.startswith("#"):
            continue
        rgb = np.array([[int(code[at : at + 2], 16) / 255 for at in (1, 3, 5)]])
        total += 1
        right += COLORS[int(named(rgb)[0].argmax())] == last
    print(f"names: {right} of {total} colours are called by the last word of their name")


def of_judged(photos: Sequence[Judged], looks: Floats) -> None:
    """Ranking by a colour, and the probability, fitted on one collection and told on the other."""
    is_first = np.array([one.name.startswith("caltech101") for one in photos])
    for title, truth in (
        ("alone", np.stack([one.whole for one in photos])),
        ("of the main thing", np.stack([one.thing for one in photos])),
    ):
        each = {
            name: average_precision(looks[:, at], truth[:, at])
            for at, name in enumerate(NAMES)
            if np.nansum(truth[:, at]) >= 1
        }
        base = np.nanmean(truth[:, : len(COLORS)])
        print(
            f"colour {title}: mAP {np.mean([one[0] for one in each.values()]):.3f}, "
            f"P@10 {np.mean([one[1] for one in each.values()]):.3f}; {base:.3f} by chance"
        )
        for name, (average, first) in each.items():
            count = int(np.nansum(truth[:, NAMES.index(name)]))
            print(f"  {name}: {average:.2f} / {first:.2f}, {count} photos")
        told, right = [], []
        for own in (is_first, ~is_first):
            curve = _fitted(looks[~own, :11], truth[~own, :11])
            clear = ~np.isnan(truth[own, :11])
            told.append(curve(looks[own, :11][clear]))
            right.append(truth[own, :11][clear])
        _say("  fitted on the other collection", np.concatenate(told), np.concatenate(right))
        of = color_chances.of_picture if title == "alone" else color_chances.of_thing
        clear = ~np.isnan(truth[:, :11])
        _say("  as it is packaged", of(looks[:, :11][clear], ()), truth[:, :11][clear])


def of_counts(photos: Sequence[Judged], looks: Floats) -> None:
    """How far the counts of colours lie from the judged ones, beyond chance, as a share of them."""
    is_first = np.array([one.name.startswith("caltech101") for one in photos])
    for title, truth, of in (
        ("pictures", np.stack([one.whole for one in photos]), color_chances.of_picture),
        ("main things", np.stack([one.thing for one in photos]), color_chances.of_thing),
    ):
        both = [_counted(looks[own], truth[own], of) for own in (is_first, ~is_first)]
        for known, other in (both, both[::-1]):
            off = next(one for one in np.arange(0, 2, 0.02) if _covers(known, one) >= _COVER)
            print(
                f"counts of {title}: {off:.2f} in one collection, which covers "
                f"{_covers(other, off):.2f} of the other"
            )
        whole = np.vstack(both)
        off = next(one for one in np.arange(0, 2, 0.02) if _covers(whole, one) >= _COVER)
        print(f"counts of {title}: {off:.2f} over both")


def _counted(
    looks: Floats, truth: Floats, of: Callable[[Floats, tuple[str, ...]], Floats]
) -> Floats:
    """Return the expected count, its variance by chance, and the judged count of each colour, over
    some and over all photos.
    """
    found = []
    for at in range(len(COLORS)):
        chances = np.where(looks[:, at] > 0, of(looks[:, at], ()), 0)
        clear = np.flatnonzero(~np.isnan(truth[:, at]))
        for size, times in ((25, 8), (60, 4), (len(clear), 1)):
            for seed in range(times):
                some = np.random.default_rng(seed).choice(clear, size, replace=False)
                own = chances[some]
                found.append((own.sum(), (own * (1 - own)).sum(), truth[some, at].sum()))
    return np.array(found)


def _covers(counted: Floats, off: float) -> float:
    middle, variance, right = counted.T
    half = 1.645 * np.sqrt(variance + 0.25 + (off * middle) ** 2)
    inside = (right >= np.round(middle - half)) & (right <= np.round(middle + half))
    return float(inside.mean())


def _fitted(looks: Floats, truth: Floats) -> Callable[[Floats], Floats]:
    """Fit the curve of `color_chances`, by Newton's method."""
    clear = ~np.isnan(truth)
    rows, right = _row(looks[clear]), truth[clear]
    weights = np.zeros(3)
    for _ in range(60):
        chances = 1 / (1 + np.exp(-rows @ weights))
        curvature = (rows * (chances * (1 - chances))[:, None]).T @ rows + 1e-3 * np.eye(3)
        weights += np.linalg.solve(curvature, rows.T @ (right - chances) - 1e-3 * weights)
    return lambda some: np.asarray(1 / (1 + np.exp(-_row(some) @ weights)))


def _row(looks: Floats) -> Floats:
    return np.column_stack([np.ones(len(looks)), np.log(looks + 0.02), looks])


def _say(title: str, told: Floats, right: Floats) -> None:
    worth = calibration.reliability(told, right > 0)
    print(
        f"{title}: ECE {worth.expected_error:.3f}, Brier {worth.brier:.3f} of "
        f"{worth.base_rate_brier:.3f}, {len(told):,} pairs"
    )


def made(photos: Sequence[Path], number: int) -> tuple[Image.Image, str]:
    """Return a photo with a thing of one colour drawn on it, and the colour."""
    rng = random.Random(f"colors/{number}")
    image = Image.open(rng.choice(list(photos))).convert("RGB").resize((_SIDE, _SIDE))
    color = rng.choice(COLORS)
    size = rng.uniform(0.3, 0.5) * _SIDE
    x, y = (rng.uniform(0.35, 0.65) * _SIDE for _ in range(2))
    angles = np.linspace(0, 2 * np.pi, rng.choice([3, 4, 5, 24]), endpoint=False)
    corners = [(float(x + size / 2 * np.cos(a)), float(y + size / 2 * np.sin(a))) for a in angles]
    ImageDraw.Draw(image).polygon(corners, rng.choice(_SHADES[color]))
    return image, color


def of_made(photos: Sequence[Path]) -> None:
    """Things drawn on photos: right is what the thing is drawn in."""
    drawn = [made(photos, number) for number in range(_MADE)]
    looks = np.stack([shares(image) for image, _ in drawn])
    colors = np.array([color for _, color in drawn])
    each = [
        average_precision(looks[:, at], (colors == name).astype(float))
        for at, name in enumerate(COLORS)
    ]
    print(
        f"{_MADE} things drawn on photos: mAP {np.mean([one[0] for one in each]):.3f}, "
        f"P@10 {np.mean([one[1] for one in each]):.3f}; {1 / len(COLORS):.3f} by chance"
    )


def of_words(folder: Path, photos: Sequence[Judged], looks: Floats, cache: Path) -> None:
    """`red X` among the judged photos of a collection, for each X and colour that differ."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".png"))
    _, features = matching_photos.features_of(files, "lite", "", cache)
    backbone = load_backbone("lite", "")
    if backbone.head is None:
        raise RuntimeError("the backbone has no named classifier")
    meanings = Meanings(load_words(), backbone.head)
    network = JointMaker.of(np.array(features), meanings.words, meanings).network(None)
    images = network.project_images(np.array(features))
    sample = ScoreSample.of(images)
    curve = packaged_curves()[0]
    places = {f"{folder.name}/{path.relative_to(folder)}": at for at, path in enumerate(files)}
    rows = [at for at, one in enumerate(photos) if one.name in places]
    own = np.array([places[photos[at].name] for at in rows])
    tags = np.array([photos[at].name.split("/")[1] for at in rows])
    by_word, by_both, chances, right, first, first_right = [], [], [], [], [], []
    for tag in sorted(set(tags)):
        row = meanings.find(tag.replace("_", " "))
        if row is None:
            continue
        query = network.project_words(row[None])[0]
        knots = sample.cosines(query, np.array(curve.scores), curve.peak_weight, curve.crowd_weight)
        if knots is None:
            continue
        word = np.interp(images[own] @ query, knots, curve.probabilities)
        for at, color in enumerate(COLORS):
            truth = np.array([photos[one].thing[at] for one in rows])
            truth = np.where(tags == tag, truth, 0.0)
            if not np.nansum(truth) or not ((tags == tag) & (truth == 0)).any():
                continue
            both = word * color_chances.of_thing(looks[rows, at], (color,))
            by_word.append(average_precision(word, truth)[0])
            by_both.append(average_precision(both, truth)[0])
            clear = ~np.isnan(truth)
            chances.append(both[clear])
            right.append(truth[clear])
            best = np.argsort(-both[clear])[:_FIRST]
            first.append(both[clear][best])
            first_right.append(truth[clear][best])
    print(
        f"{len(by_word)} words with a colour, where photos of the word differ in it: mAP "
        f"{np.mean(by_both):.3f}, by the word alone {np.mean(by_word):.3f}"
    )
    _say("  probability, all photos", np.concatenate(chances), np.concatenate(right))
    _say("  probability, first 20", np.concatenate(first), np.concatenate(first_right))


def of_orange(folder: Path, cache: Path) -> None:
    """Print the rank of the fruit for `orange` among one photo of each class, before and now."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))
    _, features = matching_photos.features_of(files, "lite", "", cache)
    backbone = load_backbone("lite", "")
    if backbone.head is None:
        raise RuntimeError("the backbone has no named classifier")
    meanings = Meanings(load_words(), backbone.head)
    network = JointMaker.of(np.array(features), meanings.words, meanings).network(None)
    images, row = network.project_images(np.array(features)), meanings.find("orange")
    if row is None:
        return
    query, curve = network.project_words(row[None])[0], packaged_curves()[0]
    knots = ScoreSample.of(images).cosines(
        query, np.array(curve.scores), curve.peak_weight, curve.crowd_weight
    )
    if knots is None:
        return
    cosines = images @ query
    word = np.interp(cosines, knots, curve.probabilities)
    at = NAMES.index("orange")
    looks = np.array([shares(Image.open(file))[at] for file in files])
    either = 1 - (1 - word) * (1 - color_chances.of_picture(looks, ("orange",)))
    fruit = next(n for n, file in enumerate(files) if file.stem.endswith("_orange"))
    before, now = (int((some > some[fruit]).sum()) + 1 for some in (cosines, either))
    print(f"`orange`: the fruit comes {before}. by the word, {now}. with the colour")
    print("  first:", ", ".join(files[n].stem.split("_", 1)[1] for n in np.argsort(-either)[:10]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder of the collections")
    parser.add_argument("--names", type=Path, help="names of colours, as `name<TAB>#rrggbb`")
    parser.add_argument("--data", type=Path, default=Path("bench-data"), help="may be deleted")
    args = parser.parse_args()
    if args.names is not None:
        of_names(args.names)
    photos = judged()
    looks = np.stack([shares(Image.open(args.photos / one.name)) for one in photos])
    of_judged(photos, looks)
    of_counts(photos, looks)
    of_made(sorted((args.photos / "caltech101").rglob("*.jpg")))
    cache = args.data / "matching"
    of_words(args.photos / "caltech101", photos, looks, cache)
    of_orange(args.photos / "imagenet-samples", cache)


if __name__ == "__main__":
    main()
