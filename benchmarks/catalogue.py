"""`python -m benchmarks.catalogue URL…`: what a catalogue does a second, in each database.

    python -m benchmarks.catalogue sqlite:////tmp/c.sqlite postgresql+psycopg://user@/name

Each must be empty. Syncing to disk is as the database does it.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256

from services.indexer.catalog.database import Database
from services.indexer.catalog.entry import Entry
from services.indexer.catalog.feature_places import FeaturePlace
from services.indexer.catalog.images import Images
from services.indexer.catalog.locations import Place

_FLUSH = 512
_READS = 2048
_LOOKED_UP = 256


def measure(url: str, images: int, writers: int) -> dict[str, float]:
    """Images a second: recorded, by one and by several at once; looked up; and read as a view."""
    with closing(Database(url)) as database:
        catalogue = Images(database)
        if catalogue.count():
            raise SystemExit(f"{database.name} is not empty.")
        flushes = [range(at, at + _FLUSH) for at in range(0, images, _FLUSH)]
        alone, together = flushes[: len(flushes) // 2], flushes[len(flushes) // 2 :]

        def record(numbers: range) -> None:
            entries = [_entry(n) for n in numbers]
            shard = numbers[0] // _FLUSH + 1
            places = {e.id: [FeaturePlace("m", shard, row)] for row, e in enumerate(entries)}
            catalogue.record(entries, places)

        def record_alone() -> None:
            for numbers in alone:
                record(numbers)

        def record_together() -> None:
            with ThreadPoolExecutor(writers) as pool:
                list(pool.map(record, together))

        def look_up() -> None:
            for at in range(0, _READS, _LOOKED_UP):
                some = [_entry(n) for n in range(at, at + _LOOKED_UP)]
                catalogue.held([(one.place.path, one.place.uri) for one in some], ["m"])
                catalogue.known([one.id for one in some], ["m"])

        def view() -> None:
            with catalogue.view() as found:
                found.features("m")
                found.items("m")

        recorded = len(flushes) * _FLUSH
        return {
            "recorded by one": len(alone) * _FLUSH / _seconds(record_alone),
            f"by {writers} at once": len(together) * _FLUSH / _seconds(record_together),
            "looked up": _READS / _seconds(look_up),
            "read for a build": recorded / _seconds(view),
        }


def _entry(n: int) -> Entry:
    digest = sha256(str(n).encode()).hexdigest()
    path = f"/pictures/{n % 100:02d}/{n}.jpg"
    place = Place(path, path[10:], 1_700_000_000_000_000_000 + n, 50_000 + n, n)
    return Entry(digest[:32], digest, place, [f"tag {n % 100}"], {}, "/pictures")


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("urls", nargs="+")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--writers", type=int, default=3)
    asked = parser.parse_args(arguments)
    for url in asked.urls:
        found = measure(url, asked.images, asked.writers)
        told = ", ".join(f"{name} {rate:,.0f}/s" for name, rate in found.items())
        print(f"{url.split(':')[0]}: {told}")


if __name__ == "__main__":
    main()
