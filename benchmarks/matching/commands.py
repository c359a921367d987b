"""The commands of `python -m benchmarks` that measure what is found: order, words, labels."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from benchmarks import results


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the commands and their options."""
    matching = commands.add_parser("matching", help="tag to image: losses, hard negatives")
    matching.add_argument("--photos", type=Path, required=True, help="a folder of a folder a tag")
    matching.add_argument("--network", default="torchvision/mobilenet_v2")
    matching.add_argument("--weights", default="", help="a safetensors file")
    matching.add_argument("--per-tag", type=int, help="photos of each tag at most")
    matching.add_argument("--splits", type=int, default=5)
    matching.add_argument("--epochs", type=int, help="at most; by default the product's")
    matching.add_argument("--only", help="one way to train, like `batch, all negatives`")

    ranking = commands.add_parser("ranking", help="image to image: the default order, probability")
    ranking.add_argument("--photos", type=Path, required=True, help="a folder of a folder a tag")
    ranking.add_argument("--network", default="lite")
    ranking.add_argument("--weights", default="", help="a safetensors file")
    ranking.add_argument("--queries", type=int, default=2500)

    chances = commands.add_parser(
        "words-probability", help="words on photos without tags: their probability"
    )
    chances.add_argument(
        "--photos",
        type=Path,
        required=True,
        action="append",
        help="a folder of a folder a tag; may be given several times",
    )
    chances.add_argument("--write", type=Path, help="file for the curve to package")

    labels = commands.add_parser("labels", help="how often the labels of photos are right")
    labels.add_argument("--photos", type=Path, required=True, help="a folder of a folder a tag")
    labels.add_argument("--network", default="lite")
    labels.add_argument("--weights", default="", help="a safetensors file with its classifier")

    untagged = commands.add_parser("untagged", help="word to photo, where no photo has a tag")
    untagged.add_argument("--photos", type=Path, required=True, help="a folder of a folder a tag")
    untagged.add_argument("--network", default="lite")
    untagged.add_argument("--weights", default="", help="a safetensors file with its classifier")
    untagged.add_argument("--splits", type=int, default=5)
    untagged.add_argument(
        "--url", default="", help="a query service whose collection has the photos without tags"
    )


def _matching(args: argparse.Namespace) -> None:
    from benchmarks.matching import images as by_image
    from benchmarks.matching import measuring, photos
    from services.embedder.words.vectors import load_words

    words = load_words()
    cache = args.data / "matching"
    tagged = photos.load(args.photos, args.network, args.weights, words, cache, args.per_tag)
    images, terms = len(tagged.image_terms), len(tagged.terms)
    print(f"matching: {images} photos of {terms} terms", flush=True)
    probabilities = by_image.measure(tagged)
    for metric, told in probabilities.items():
        print(
            f"  image to image by {metric}: ECE {told['expected_error']:.3f}, "
            f"Brier {told['brier']:.3f} of {told['base_rate_brier']:.3f}",
            flush=True,
        )
    ways = {}
    for name, settings in measuring.variants(args.epochs):
        if args.only in (None, name):
            way = measuring.measure(tagged, words, settings, args.splits)
            ways[name] = way
            print(
                f"  {name}: seen {way['mean_average_precision']:.3f}, "
                f"unseen {way['unseen_mean_average_precision']:.3f}",
                flush=True,
            )
    found = {"images": images, "terms": terms, "image_to_image": probabilities, "ways": ways}
    print(f"  {results.write(args.results, 'matching', found)}")


def _ranking(args: argparse.Namespace) -> None:
    from benchmarks.matching import ranking

    cache = args.data / "matching"
    found = ranking.measure(args.photos, args.network, args.weights, cache, args.queries)
    print(f"ranking: {found['model']}, {found['photos']} photos, {found['transform']}")
    print(f"  tags: {found['tags']}")
    for size, figures in found.items():
        if not isinstance(figures, dict) or size == "tags":
            continue
        for order in ("none", "neighbours"):
            told = ", ".join(f"{name} {value:.3f}" for name, value in figures[order].items())
            print(f"  {size}, {order}: {told}")
        print(f"  {size}: re-rank {figures['milliseconds']:.2f} ms, {figures['probability']}")
    name = args.network.replace("/", "-")
    print(f"  {results.write(args.results, f'ranking-{name}', found)}")


def _labels(args: argparse.Namespace) -> None:
    from benchmarks.matching import labels

    found = labels.measure(args.photos, args.network, args.weights, args.data / "matching")
    print(f"labels: {found['photos']} photos, {found['photos_with_a_class']} of a class")
    for least, told in found.items():
        if isinstance(told, dict):
            print(f"  {least}: " + ", ".join(f"{k} {v:.3g}" for k, v in told.items()))
    print(f"  {results.write(args.results, f'labels-{args.photos.name}', found)}")


def _untagged(args: argparse.Namespace) -> None:
    from benchmarks.matching import untagged
    from services.embedder.words.vectors import load_words
    from shared.contracts.embedder import TrainingSettings

    cache = args.data / "matching"
    photos = untagged.load(args.photos, args.network, args.weights, load_words(), cache)
    print(f"untagged: {len(photos.tags)} photos, {len(photos.terms)} terms", flush=True)
    found = untagged.measure(photos, args.splits, TrainingSettings())
    print(untagged.table(found))
    if args.url:
        found["over_http"] = untagged.over_http(args.url, photos.terms)
        for kind in ("terms", "general_words"):
            told = found["over_http"][kind]
            print(
                f"  over HTTP, {kind.replace('_', ' ')}: mAP {told['mean_average_precision']:.3f}, "
                f"P@10 {told['precision_at_10']:.3f}"
            )
    name = f"untagged-{args.network.replace('/', '-')}"
    print(f"  {results.write(args.results, name, found)}")


def _words_probability(args: argparse.Namespace) -> None:
    from benchmarks.matching import words_probability as words

    figures, curve = words.measure(args.photos, args.data / "matching")
    for name, told in figures.items():
        print(
            f"  {name}: ECE {told['expected_error']:.3f}, Brier {told['brier']:.3f} "
            f"of {told['base_rate_brier']:.3f}, {told['pairs']} hits"
        )
        if "expected_error_of_exact" in told:
            print(f"    an exactly right curve: ECE {told['expected_error_of_exact']:.3f}")
    if args.write is not None:
        args.write.write_text(json.dumps(curve, indent=1) + "\n", encoding="utf-8")
    print(f"  {results.write(args.results, 'words-probability', figures)}")


RUNS: dict[str, Callable[[argparse.Namespace], None]] = {
    "matching": _matching,
    "ranking": _ranking,
    "words-probability": _words_probability,
    "labels": _labels,
    "untagged": _untagged,
}
