"""`python -m benchmarks`: what `make bench` and `make bench-scale` call."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks import collection, gallery, harness, live, memory_bound, results, scale
from benchmarks.certainty import expected
from benchmarks.contenders import ALL_NAMES, NAMES
from benchmarks.contenders.contender import Place


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("bench-data"), help="may be deleted")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    commands = parser.add_subparsers(dest="command", required=True)

    search = commands.add_parser("search", help="speed at equal recall, memory, build time")
    _sized(search)
    search.add_argument("--contenders", nargs="+", choices=ALL_NAMES, default=list(NAMES))
    search.add_argument("--rounds", type=int, default=harness.Rules.rounds)

    bound = commands.add_parser("memory-bound", help="with an eighth of the vectors' memory")
    _sized(bound)
    bound.add_argument("--rounds", type=int, default=3)
    bound.add_argument("--block", type=int, default=100, help="queries a round")

    clusters = commands.add_parser("kmeans", help="K-means against faiss and scikit-learn")
    _sized(clusters)
    clusters.add_argument("--rounds", type=int, default=3)

    large = commands.add_parser("scale", help="built and searched in little memory")
    large.add_argument("--rows", type=int, default=1_700_000)
    large.add_argument("--dim", type=int, default=1536)
    large.add_argument("--search-mib", type=int, default=2048)
    large.add_argument("--keep", action="store_true", help="keep the data")

    living = commands.add_parser("live", help="searched while images come and go")
    living.add_argument("--rows", type=int, default=100_000)
    living.add_argument("--dim", type=int, default=512)
    living.add_argument("--adds", type=int, default=10_000)
    living.add_argument("--deletes", type=int, default=1000)
    living.add_argument("--batch", type=int, default=10, help="additions a call")

    both = commands.add_parser("engines", help="Milvus beside the local engine")
    both.add_argument("--rows", type=int, default=20_000)
    both.add_argument("--dim", type=int, default=256)
    both.add_argument("--queries", type=int, default=300)
    both.add_argument("--index-types", nargs="+", default=["IVF_FLAT", "IVF_SQ8"])
    both.add_argument("--uri", default="", help="a Milvus server; by default Milvus Lite's")

    over_http = commands.add_parser("http", help="what HTTP and the re-rank add to a search by id")
    _sized(over_http)
    over_http.add_argument("--queries", type=int, default=1000)

    embed = commands.add_parser("embed", help="the embedder's engines, and the service over HTTP")
    _networks(embed)
    embed.add_argument("--rounds", type=int, default=5)
    embed.add_argument("--images", type=int, default=16, help="a round; six times it over HTTP")

    agreement = commands.add_parser("agreement", help="what the engines do to features")
    _networks(agreement)
    agreement.add_argument("--compared", type=int, default=400, help="photos")

    taking = commands.add_parser("ingest", help="ingest of a folder against the embedder's rate")
    _networks(taking)
    taking.add_argument("--rounds", type=int, default=3)
    taking.add_argument("--asked", type=int, default=640, help="photos of the embedder, a round")

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
    chances.add_argument("--photos", type=Path, required=True, help="a folder of a folder a tag")
    chances.add_argument("--write", type=Path, help="file for the curve to package")

    untagged = commands.add_parser("untagged", help="word to photo, where no photo has a tag")
    untagged.add_argument("--photos", type=Path, required=True, help="a folder of a folder a tag")
    untagged.add_argument("--network", default="lite")
    untagged.add_argument("--weights", default="", help="a safetensors file with its classifier")
    untagged.add_argument("--splits", type=int, default=5)
    untagged.add_argument(
        "--url", default="", help="a query service whose collection has the photos without tags"
    )
    gallery.add_to(commands)
    expected.add_to(commands)

    writing = commands.add_parser("report", help="put results into the summary and the docs")
    writing.add_argument("--docs", type=Path, default=Path("docs"))

    args = parser.parse_args(argv)
    # Some need a library that may be missing where others run.
    if args.command == "report":
        from benchmarks import report

        print(report.write(results.summarize(args.results), args.docs))
    elif args.command == "scale":
        print(f"scale: {args.rows} x {args.dim}")
        found = scale.measure(args.data, args.rows, args.dim, args.search_mib, args.keep)
        print(f"  {results.write(args.results, 'scale', found)}")
    elif args.command == "live":
        print(f"live: {args.rows} x {args.dim}")
        found = live.measure(args.data, args.rows, args.dim, args.adds, args.deletes, args.batch)
        print(f"  {results.write(args.results, 'live', found)}")
    elif args.command == "gallery":
        found = gallery.run(args.pictures, args.seconds)
        print(f"  {results.write(args.results, 'gallery', found)}")
    elif args.command == "expected":
        name = f"expected-{args.network.replace('/', '-')}"
        print(f"  {results.write(args.results, name, expected.run(args))}")
    elif args.command == "engines":
        from benchmarks import engines

        print(f"engines: {args.rows} x {args.dim}")
        given = (args.rows, args.dim, args.queries, args.index_types, args.uri)
        print(f"  {results.write(args.results, 'engines', engines.measure(args.data, *given))}")
    elif args.command == "http":
        _http(args)
    elif args.command == "embed":
        _embed(args)
    elif args.command == "agreement":
        _agreement(args)
    elif args.command == "ingest":
        _ingest(args)
    elif args.command == "matching":
        _matching(args)
    elif args.command == "ranking":
        _ranking(args)
    elif args.command == "words-probability":
        from benchmarks.matching import words_probability as words

        figures, curve = words.measure(args.photos, args.data / "matching")
        for name, value in figures.items():
            print(f"  {name}: {value}")
        if args.write is not None:
            args.write.write_text(json.dumps(curve, indent=1) + "\n", encoding="utf-8")
        print(f"  {results.write(args.results, 'words-probability', figures)}")
    elif args.command == "untagged":
        _untagged(args)
    elif args.command == "kmeans":
        from benchmarks import kmeans

        for each in _collections(args):
            print(f"{each.name}: K-means")
            found = kmeans.compare(each, args.rounds)
            print(f"  {results.write(args.results, f'kmeans-{each.name}', found)}")
    elif args.command == "memory-bound":
        for each in _collections(args):
            print(f"{each.name}: memory-bound")
            found = memory_bound.compare(each, args.data / "built", args.rounds, args.block)
            print(f"  {results.write(args.results, f'memory-bound-{each.name}', found)}")
    else:
        rules = harness.Rules(rounds=args.rounds)
        for each in _collections(args):
            print(f"{each.name}: exact answers are there")
            found = harness.compare(each, args.data / "built", args.contenders, rules)
            print(f"  {results.write(args.results, f'search-{each.name}', found)}")


def _networks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--photos", type=Path, required=True, help="a folder of JPEGs")
    networks = ["mini", "resnet50", "inception_resnet_v2"]
    parser.add_argument("--networks", nargs="+", default=networks)
    parser.add_argument(
        "--weights",
        metavar="NETWORK=FILE",
        action="append",
        default=[],
        help="a safetensors file; a timm network without one gets random weights",
    )


def _weights(args: argparse.Namespace) -> dict[str, Path]:
    return {name: Path(file) for name, _, file in (given.partition("=") for given in args.weights)}


def _ingest(args: argparse.Namespace) -> None:
    from benchmarks.embedding import ingest

    weights, folder = _weights(args), args.data / "embedding"
    for name in args.networks:
        print(f"{name}: ingest")
        found = ingest.measure(name, weights, args.photos, folder, args.rounds, args.asked)
        print(f"  {results.write(args.results, 'ingest-' + name.replace('/', '-'), found)}")


def _embed(args: argparse.Namespace) -> None:
    from benchmarks.embedding import measuring, speed

    weights, folder = _weights(args), args.data / "embedding"
    rules = speed.Rules(rounds=args.rounds, images=args.images)
    for name in args.networks:
        print(f"{name}: embedding")
        found = measuring.measure(name, weights, args.photos, folder, rules)
        print(f"  {results.write(args.results, 'embed-' + name.replace('/', '-'), found)}")


def _agreement(args: argparse.Namespace) -> None:
    from benchmarks.embedding import measuring

    weights, folder = _weights(args), args.data / "embedding"
    for name in args.networks:
        print(f"{name}: agreement")
        found = measuring.agree(name, weights, args.photos, folder, args.compared)
        print(f"  {results.write(args.results, 'agreement-' + name.replace('/', '-'), found)}")


def _http(args: argparse.Namespace) -> None:
    from benchmarks import http

    for each in _collections(args):
        print(f"{each.name}: over HTTP")
        place = Place(each, args.data / "built" / each.name)
        harness.build_once(harness.FIRST, place)
        rows, dim = each.base.shape
        found = http.measure(place.folder(harness.FIRST), rows, args.queries) | {"dim": dim}
        found["collection"] = each.name
        print(f"  {results.write(args.results, f'http-{each.name}', found)}")


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


def _sized(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--size",
        metavar="ROWSxDIM",
        action="append",
        default=[],
        help="generated features, may be given several times",
    )
    parser.add_argument(
        "--vectors", type=Path, help="a folder of base_f16_*.npy and query_f16_*.npy"
    )


def _collections(args: argparse.Namespace) -> list[collection.Collection]:
    found = []
    if args.vectors is not None:
        found.append(collection.real(args.data, args.vectors))
    for size in args.size:
        rows, dim = (int(number) for number in size.split("x"))
        found.append(collection.generated(args.data, rows, dim))
    return found


if __name__ == "__main__":
    main()
