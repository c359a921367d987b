"""`python -m benchmarks`: what `make bench` and `make bench-scale` call."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import (
    collection,
    engine_arguments,
    gallery,
    harness,
    live,
    memory_bound,
    results,
    scale,
    text,
)
from benchmarks.certainty import absence, expected, receipts
from benchmarks.contenders import ALL_NAMES, NAMES
from benchmarks.contenders.contender import Place
from benchmarks.duplicates import agreement as local_features
from benchmarks.duplicates import commands as duplicates
from benchmarks.matching import commands as matching_commands


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
    large.add_argument("--vectors", type=Path, help="real ones, around which the rows lie")
    large.add_argument("--keep", action="store_true", help="keep the data")

    living = commands.add_parser("live", help="searched while images come and go")
    living.add_argument("--rows", type=int, default=100_000)
    living.add_argument("--dim", type=int, default=512)
    living.add_argument("--adds", type=int, default=10_000)
    living.add_argument("--deletes", type=int, default=1000)
    living.add_argument("--batch", type=int, default=10, help="additions a call")

    hung = commands.add_parser("waiting", help="changes while an embedder hangs")
    hung.add_argument("--pictures", type=int, default=400)
    hung.add_argument("--seconds", type=float, default=120)

    engine_arguments.add_to(commands)

    over_http = commands.add_parser("http", help="what HTTP and the re-rank add to a search by id")
    _sized(over_http)
    over_http.add_argument("--queries", type=int, default=1000)

    overhead = commands.add_parser("overhead", help="what HTTP adds by vector and id, and batches")
    _sized(overhead)
    overhead.add_argument("--queries", type=int, default=500)

    embed = commands.add_parser("embed", help="the embedder's engines, and the service over HTTP")
    _networks(embed)
    embed.add_argument("--rounds", type=int, default=5)
    embed.add_argument("--images", type=int, default=16, help="a round; six times it over HTTP")
    embed.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    embed.add_argument("--http-only", action="store_true", help="without engines in process")
    embed.add_argument("--int8", action="store_true", help="the service in int8 beside it, too")

    on_gpu = commands.add_parser("gpu", help="the embedder beside a bare loop on the same GPU")
    _networks(on_gpu, ["resnet50", "inception_resnet_v2"])
    on_gpu.add_argument("--rounds", type=int, default=5)
    on_gpu.add_argument("--batch", type=int, default=256, help="images")
    on_gpu.add_argument("--device", default="cuda", help="cpu: to see that it runs")
    on_gpu.add_argument("--inference", default="auto", help="eager: nothing is compiled")

    agreement = commands.add_parser("agreement", help="what the engines do to features")
    _networks(agreement)
    agreement.add_argument("--compared", type=int, default=400, help="photos")
    agreement.add_argument("--int8", type=Path, metavar="FOLDER", help="int8, calibrated with it")

    taking = commands.add_parser("ingest", help="ingest of a folder against the embedder's rate")
    _networks(taking)
    taking.add_argument("--rounds", type=int, default=3)
    taking.add_argument("--asked", type=int, default=640, help="photos of the embedder, a round")

    cold = commands.add_parser("starts", help="cold starts of the embedder, by network and engine")
    cold.add_argument("--photos", type=Path, required=True, help="a folder of JPEGs")
    cold.add_argument("--networks", nargs="+", default=["mini", "lite", "classic"])
    cold.add_argument("--engines", nargs="+", default=["auto", "eager", "openvino", "compile"])
    cold.add_argument("--wait", type=float, default=60, help="seconds for the choice of an engine")

    matching_commands.add_to(commands)
    gallery.add_to(commands)
    expected.add_to(commands)
    absence.add_to(commands)
    duplicates.add_to(commands)
    local_features.add_to(commands)
    receipts.add_to(commands)
    text.add_to(commands)

    loaded = commands.add_parser("load", help="goodput over offered load, and memory under it")
    loaded.add_argument("--profile", default="mini")
    loaded.add_argument("--seconds", type=float, default=5.0, help="of each level")
    loaded.add_argument("--no-large", action="store_true", help="leave out large bodies")

    writing = commands.add_parser("report", help="put results into the summary and the docs")
    writing.add_argument("--docs", type=Path, default=Path("docs"))

    args = parser.parse_args(argv)
    # Some need a library that may be missing where others run.
    if args.command == "report":
        from benchmarks import report

        print(report.write(results.summarize(args.results), args.docs))
    elif args.command == "scale":
        print(f"scale: {args.rows} x {args.dim}")
        found = scale.measure(
            args.data, args.rows, args.dim, args.search_mib, args.keep, args.vectors
        )
        name = "scale" if args.vectors is None else f"scale-{args.rows}x{args.dim}"
        print(f"  {results.write(args.results, name, found)}")
    elif args.command == "overhead":
        from benchmarks import overhead as of_http

        for each in _collections(args):
            print(each.name)
            found = of_http.measure(args.data, each, args.queries)
            print(f"  {results.write(args.results, f'overhead-{each.name}', found)}")
    elif args.command == "live":
        print(f"live: {args.rows} x {args.dim}")
        found = live.measure(args.data, args.rows, args.dim, args.adds, args.deletes, args.batch)
        print(f"  {results.write(args.results, 'live', found)}")
    elif args.command == "waiting":
        from benchmarks import waiting

        found = waiting.measure(args.data, args.pictures, args.seconds)
        for when in ("quiet", "changes"):
            for name, figures in found[when].items():
                told = ", ".join(f"{key} {value:.0f}" for key, value in figures.items())
                print(f"  {when}: {name}: {told}")
        print(f"  {results.write(args.results, 'waiting', found)}")
    elif args.command == "gallery":
        found = gallery.run(args.pictures, args.seconds, args.alone)
        print(f"  {results.write(args.results, 'gallery', found)}")
    elif args.command == "load":
        from benchmarks import load

        found = load.measure(args.data, args.profile, args.seconds, not args.no_large)
        print(f"  {results.write(args.results, 'load', found)}")
    elif args.command == "expected":
        name = f"expected-{args.network.replace('/', '-')}"
        print(f"  {results.write(args.results, name, expected.run(args))}")
    elif args.command == "absence":
        name = f"absence-{args.network.replace('/', '-')}"
        print(f"  {results.write(args.results, name, absence.run(args))}")
    elif args.command == "duplicates":
        name = "duplicates" if args.local == "sift" else f"duplicates-{args.local}"
        print(f"  {results.write(args.results, name, duplicates.run(args))}")
    elif args.command == "local-features":
        print(f"  {results.write(args.results, 'local-features', local_features.run(args))}")
    elif args.command == "text":
        print(f"  {results.write(args.results, 'text', text.run(args))}")
    elif args.command == "receipt":
        name = "-".join(["receipt", *(folder.name for folder in args.photos)])
        print(f"  {results.write(args.results, name, receipts.run(args))}")
    elif args.command == "engines":
        from benchmarks import engines

        if args.vectors:
            vectors, queries = engines.real(args.vectors, args.queries)
        else:
            vectors, queries = engines.generated(args.rows, args.dim, args.queries)
        source = "real" if args.vectors else "features"
        name = "{}-{}x{}".format(source, *vectors.shape)
        print(f"engines: {name}")
        given = engines.Asked(
            vectors, queries, source, args.index_types, args.uri, args.python, args.quick
        )
        found = engines.measure(args.data, given)
        print(f"  {results.write(args.results, f'engines-{name}', found)}")
    elif args.command == "http":
        _http(args)
    elif args.command == "embed":
        _embed(args)
    elif args.command == "gpu":
        _gpu(args)
    elif args.command == "agreement":
        _agreement(args)
    elif args.command == "starts":
        _starts(args)
    elif args.command == "ingest":
        _ingest(args)
    elif args.command in matching_commands.RUNS:
        matching_commands.RUNS[args.command](args)
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


_NETWORKS = ("lite", "mini", "resnet50", "inception_resnet_v2")


def _networks(parser: argparse.ArgumentParser, networks: Sequence[str] = _NETWORKS) -> None:
    parser.add_argument("--photos", type=Path, required=True, help="a folder of JPEGs")
    parser.add_argument("--networks", nargs="+", default=[*networks])
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
        uses = "-avx2" if found["processor_uses"] == "AVX2" else ""
        name_of_run = f"ingest-{name.replace('/', '-')}{uses}"
        print(f"  {results.write(args.results, name_of_run, found)}")


def _embed(args: argparse.Namespace) -> None:
    from benchmarks.embedding import measuring, speed

    weights, folder = _weights(args), args.data / "embedding"
    rules = speed.Rules(
        rounds=args.rounds,
        images=args.images,
        batches=tuple(args.batches),
        is_int8=args.int8,
        in_process=not args.http_only,
    )
    for name in args.networks:
        print(f"{name}: embedding")

        def keep(found: dict[str, Any], name: str = name) -> None:
            # An emulated older processor stands beside this one.
            uses = "-avx2" if found["processor_uses"] == "AVX2" else ""
            results.write(args.results, f"embed-{name.replace('/', '-')}{uses}", found)

        measuring.measure(name, weights, args.photos, folder, rules, keep)


def _gpu(args: argparse.Namespace) -> None:
    import torch

    from benchmarks.embedding import gpu
    from services.embedder.engines.engine_options import Inference

    device = torch.device(args.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("gpu: left out, since torch finds none")
        return
    weights, folder = _weights(args), args.data / "embedding"
    for name in args.networks:
        print(f"{name}: on {device}")
        asked = gpu.Asked(device, Inference(args.inference), args.batch, args.rounds)
        found = gpu.measure(name, weights, args.photos, folder, asked)
        print(f"  {results.write(args.results, 'gpu-' + name.replace('/', '-'), found)}")


def _starts(args: argparse.Namespace) -> None:
    from benchmarks.embedding import starts

    kinds = [starts.of(network, engine) for network in args.networks for engine in args.engines]
    found = starts.measure(kinds, args.photos, args.data / "embedding", args.wait)
    print(f"  {results.write(args.results, 'starts', found)}")


def _agreement(args: argparse.Namespace) -> None:
    from benchmarks.embedding import measuring

    weights, folder = _weights(args), args.data / "embedding"
    for name in args.networks:
        print(f"{name}: agreement")
        found = measuring.agree(name, weights, args.photos, folder, args.compared, args.int8)
        run = f"agreement-{name.replace('/', '-')}{'-int8' if args.int8 else ''}"
        print(f"  {results.write(args.results, run, found)}")


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
