"""`make demo`: from some pictures to two tables of results, over the three real services."""

import argparse
import hashlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rich import box
from rich.console import Console
from rich.table import Table

from demo.sample import draw_sample
from shared.cli.group import ServiceGroup
from shared.cli.progress import ProgressView
from shared.cli.service import free_port, local_services, waiting_line
from shared.cli.session import console, load_settings, print_error, readable_errors
from shared.cli.tables import plain
from shared.cli.waiting import raise_if_failed, wait
from shared.clients import indexer, query
from shared.clients.transport import Client
from shared.contracts.indexer import IngestRequest
from shared.contracts.query import Hit, Mode, SearchResponse, Stats
from shared.errors import InvalidInput, ISEError, Misconfigured, UnknownTerm
from shared.settings import ServiceSettings

PICTURES = 3
TERMS = 3
HITS = 5
STRANGERS = ("ship", "kitten", "automobile", "ocean", "puppy", "building", "music", "winter")
"""Words to search by meaning: the first that no image carries is taken."""

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
_START_S = 600.0
_SAME = 1e-6

Answers = list[tuple[str, SearchResponse]]


class Tour:
    """Takes a collection in and searches it, as a client of running services."""

    def __init__(self, indexer_client: Client, query_client: Client, out: Console) -> None:
        self._indexer = indexer_client
        self._query = query_client
        self._out = out

    def ingest(self, source: Path) -> set[str]:
        """Takes in, builds, trains. Returns the names of the pictures that could not be taken."""
        request = IngestRequest(source=str(source.absolute()))
        job = self._indexer.send(indexer.ingest(request))
        with ProgressView(self._out) as show:
            job = wait(self._indexer, job, show)
        raise_if_failed(job)
        if not job.progress.failed:
            return set()
        failures = self._indexer.send(indexer.failures(job.id)).failures
        self._out.print(f"{len(failures):,} pictures could not be taken in.")
        return {Path(failure.path).name for failure in failures}

    def by_image(self, pictures: Sequence[Path]) -> Answers:
        """Searches by uploads of indexed pictures. Raises when one isn't its own first hit."""
        answers: Answers = []
        for picture in pictures:
            data = picture.read_bytes()
            answer = self._query.send(query.search_image(data, picture.name, limit=HITS + 1))
            self._check_first(picture.name, data, answer.hits)
            answers.append((picture.name, answer))
        return answers

    def by_term(self) -> Answers:
        """Searches by the most frequent tags; empty where no image has a tag."""
        tags = sorted(self._query.send(query.tags(limit=1000)).tags, key=lambda tag: -tag.count)
        answers: Answers = []
        for tag in tags[:TERMS]:
            answer = self._query.send(query.search_term(tag.tag, limit=HITS))
            if answer.mode is not Mode.TAG or not answer.hits:
                raise ISEError(f"Images carry the tag {tag.tag}, but a search by it finds none.")
            answers.append((tag.tag, answer))
        return answers

    def stats(self) -> Stats:
        return self._query.send(query.stats())

    def by_meaning(self) -> Answers:
        """Searches by a word that no image carries."""
        for word in STRANGERS:
            try:
                answer = self._query.send(query.search_term(word, limit=HITS))
            except UnknownTerm:
                continue
            if answer.mode is Mode.SEMANTIC and answer.hits:
                return [(word, answer)]
        raise ISEError(f"None of these words finds anything by meaning: {', '.join(STRANGERS)}.")

    def _check_first(self, name: str, data: bytes, hits: Sequence[Hit]) -> None:
        """By content, not by name; among hits that score alike, any place is the first."""
        wanted = hashlib.sha256(data).hexdigest()
        for hit in hits:
            if hit.score < hits[0].score - _SAME:
                break
            if self._indexer.send(indexer.get_image(hit.id)).sha256 == wanted:
                return
        raise ISEError(f"{name} is in the collection, but it isn't its own first hit.")


def run(group: ServiceGroup, source: Path, drawn: bool, key: str | None, out: Console) -> None:
    """The demo, over services that it starts. Raises an ISEError when anything is wrong."""
    out.print("Starting the three services.")
    with (
        group,
        Client(group.url("indexer"), key) as indexer_client,
        Client(group.url("query"), key) as query_client,
    ):
        try:
            group.wait_ready(_START_S, lambda waiting: out.print(waiting_line(waiting)))
            tour = Tour(indexer_client, query_client, out)
            refused = tour.ingest(source)
            held = tour.stats()
            by_image = tour.by_image(spread(pictures_of(source), refused))
            by_term = tour.by_term()
            # A folder may have too few tags to learn from; the sample must learn.
            by_meaning = tour.by_meaning() if drawn or held.network else []
        except ISEError:
            group.check()  # A service that ended says more than the call that missed it.
            raise
    out.print(f"{held.images:,} images, {held.clusters:,} clusters, {held.tags:,} tags.\n")
    show(out, "Search by image", by_image)
    if by_term:
        show(out, "Search by term", by_term + by_meaning)
    else:
        out.print("No image carries a tag, so there is nothing to search by term.")
    out.print(verdict(by_image, by_term), soft_wrap=True)


def show(out: Console, title: str, answers: Answers) -> None:
    """One table for several searches."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False)
    for column in ("query", "rank", "score", "probability", "tags", "picture"):
        table.add_column(column, overflow="fold")
    for name, answer in answers:
        for rank, hit in enumerate(answer.hits, 1):
            table.add_row(
                plain(f"{name} ({answer.mode})" if rank == 1 else ""),
                str(rank),
                f"{hit.score:.3f}",
                "" if hit.probability is None else f"{hit.probability:.0%}",
                plain(", ".join(hit.tags)),
                plain(hit.uri),
                end_section=rank == len(answer.hits),
            )
    out.print(table)


def verdict(by_image: Answers, by_term: Answers) -> str:
    """How right the answers are."""
    expected = [
        answer.recall.expected
        for _, answer in by_image + by_term
        if answer.recall.expected is not None
    ]
    parts = [f"Each of {len(by_image)} pictures is its own first hit."]
    if expected:
        parts.insert(0, f"Expected recall: {sum(expected) / len(expected):.3f}.")
    own = [(tagset(answer.hits[0]), answer.hits[1:]) for _, answer in by_image]
    alike = [bool(tags & tagset(hit)) for tags, others in own for hit in others if tags]
    if alike:
        parts.append(f"Of the hits after it, {share(alike)} share a tag with it.")
    carried = [term.casefold() in tagset(hit) for term, answer in by_term for hit in answer.hits]
    if carried:
        parts.append(f"Of the hits by tag, {share(carried)} carry the tag.")
    return " ".join(parts)


def tagset(hit: Hit) -> set[str]:
    return {tag.casefold() for tag in hit.tags}


def share(flags: Sequence[bool]) -> str:
    return f"{sum(flags) / len(flags):.0%}"


def pictures_of(source: Path) -> list[Path]:
    """The pictures of a folder, or those that lie beside a manifest, in order of their paths."""
    folder = source if source.is_dir() else source.parent
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not found:
        raise InvalidInput(f"There are no pictures in {folder}.")
    return found


def spread(pictures: Sequence[Path], refused: set[str]) -> list[Path]:
    """A few of the pictures, from all over the collection."""
    usable = [path for path in pictures if path.name not in refused]
    if not usable:
        raise InvalidInput("None of the pictures could be taken in.")
    count = min(PICTURES, len(usable))
    return [usable[i * len(usable) // count] for i in range(count)]


def local_settings(data: Path | None) -> ServiceSettings:
    """Loopback only, the usual ports where they are free, and no service elsewhere."""
    settings = load_settings(ServiceSettings).model_copy(
        update={"host": "127.0.0.1", "query_url": "", "indexer_url": "", "embedder_url": ""}
    )
    changed: dict[str, object] = {"data_dir": data} if data else {}
    for service in local_services(settings):
        try:
            service.check_port()
        except Misconfigured:
            changed[f"{service.name}_port"] = free_port()
    return settings.model_copy(update=changed)


def demo(images: Path | None, data: Path | None, out: Console) -> None:
    """Prepares pictures and settings, runs the demo, and says how to go on."""
    settings = local_settings(data)
    # Beside the data folder, not in it: there the indexer alone writes.
    beside = settings.data_dir.absolute().parent / ".demo"
    if images is None:
        out.print("Drawing the sample pictures.")
        source = draw_sample(beside / "sample")
    else:
        source = images
        pictures_of(source)
    group = ServiceGroup.local(settings, log_dir=beside / "logs")
    key = settings.api_key.get_secret_value() if settings.api_key else None
    try:
        run(group, source, images is None, key, out)
    except ISEError:
        out.print(f"The services' logs are in {beside / 'logs'}.", soft_wrap=True)
        raise
    where = "" if data is None else f" DATA={data}"
    out.print(f"To go on: `make run{where}` serves this collection.", soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m demo.run", description=__doc__)
    parser.add_argument("--images", help="a folder of pictures; without it, a sample is drawn")
    parser.add_argument("--data", type=Path, help="where the collection goes (./data)")
    given = parser.parse_args(arguments)
    out = console()
    try:
        with readable_errors():
            # `make demo` passes IMAGES on as it is, which may be empty.
            demo(Path(given.images) if given.images else None, given.data, out)
    except ISEError as error:
        print_error(console(stderr=True), error)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _end(*_: object) -> NoReturn:
    sys.exit(143)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main())
