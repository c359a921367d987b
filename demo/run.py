"""`make demo`: from some pictures to two tables of results, over the three real services."""

import argparse
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from demo.data_folder import Place
from demo.sample import draw_sample
from services.indexer.sources.source import read_source
from shared.cli.group import ServiceGroup
from shared.cli.job_wait import raise_if_failed, wait
from shared.cli.progress import ProgressView
from shared.cli.service import free_port, local_services, waiting_line
from shared.cli.session import console, load_settings, print_error, readable_errors
from shared.cli.tables import FAILURES_SHOWN, failures, plain
from shared.cli.tables import evaluation as table_of
from shared.clients import indexer, query
from shared.clients.transport import Client
from shared.contracts.answer import Hit, Mode, SearchResponse
from shared.contracts.indexer import IngestRequest
from shared.contracts.jobs import Job
from shared.contracts.stats import Stats
from shared.core.errors import InvalidInput, ISEError, Misconfigured, UnknownTerm
from shared.core.settings import ServiceSettings
from shared.evaluation import run as evaluation
from shared.evaluation.measure import FIGURES
from shared.snapshots.items import tag_key

DATA = "data-demo"
"""Not the folder of `ise up`, which is for a user's own pictures."""
PICTURES = 3
TERMS = 3
HITS = 5
QUERIES = 50
PLAIN, RERANK = "rerank=none", {"rerank": "none"}
STRANGERS = ("ship", "kitten", "automobile", "ocean", "puppy", "building", "music", "winter")
"""Words to search by meaning: the first that no image carries is taken."""

_START_S = 600.0
_SAME = 1e-6
_DEEPEST = 100_000

Answers = list[tuple[str, SearchResponse]]


class Tour:
    """Takes a collection in and searches it, as a client of running services."""

    def __init__(self, indexer_client: Client, query_client: Client, out: Console) -> None:
        self._indexer = indexer_client
        self._query = query_client
        self._out = out

    def ingest(self, source: Path) -> None:
        """Takes in, builds, trains."""
        request = IngestRequest(source=str(source.absolute()))
        job = self._indexer.send(indexer.ingest(request))
        with ProgressView(self._out) as show:
            job = wait(self._indexer, job, show)
        if job.progress.failed:
            self._show_failures(job)
        raise_if_failed(job)

    def _show_failures(self, job: Job) -> None:
        self._out.print(f"{job.progress.failed:,} pictures could not be taken in.")
        found = self._indexer.send(indexer.list_job_failures(job.id, FAILURES_SHOWN))
        self._out.print(failures(found.failures))
        if (more := found.total - len(found.failures)) > 0:
            self._out.print(f"And {more:,} more.")

    def pictures(self) -> list[Hit]:
        """A few of the collection, from all over it: by their likeness to one and the same vector.

        Raises InvalidInput when it is empty.
        """
        held = self.stats()
        if not held.images or not held.dim:
            raise InvalidInput("None of the pictures could be taken in.")
        count = min(PICTURES, held.images)
        found: list[Hit] = []
        for n in range(count):
            offset = min(n * held.images // count, _DEEPEST)
            call = query.search_vector([1.0] * held.dim, exact=True, limit=1, offset=offset)
            found += self._query.send(call).hits
        return found

    def by_image(self) -> Answers:
        """Searches by uploads of indexed pictures. Raises when one isn't its own first hit."""
        answers: Answers = []
        for picture in self.pictures():
            data, _ = self._indexer.send(indexer.get_image_file(picture.id))
            name = Path(picture.uri).name or picture.id
            answer = self._query.send(query.search_image(data, name, limit=HITS + 1))
            if not is_first(picture.id, answer.hits):
                raise ISEError(f"{name} is in the collection, but it isn't its own first hit.")
            answers.append((name, answer))
        return answers

    def by_term(self) -> Answers:
        """Searches by the most frequent tags; empty where no image has a tag."""
        tags = sorted(
            self._query.send(query.list_tags(limit=1000)).tags, key=lambda tag: -tag.count
        )
        answers: Answers = []
        for tag in tags[:TERMS]:
            answer = self._query.send(query.search_term(tag.tag, limit=HITS))
            if answer.mode is not Mode.TAG or not answer.hits:
                raise ISEError(f"Images carry the tag {tag.tag}, but a search by it finds none.")
            answers.append((tag.tag, answer))
        return answers

    def stats(self) -> Stats:
        return self._query.send(query.get_stats())

    def by_meaning(self) -> Answers:
        """Searches by a word that no image carries; empty where none of ours is known."""
        for word in STRANGERS:
            try:
                answer = self._query.send(query.search_term(word, limit=HITS))
            except UnknownTerm:
                continue
            if answer.mode is Mode.SEMANTIC and answer.hits:
                return [(word, answer)]
        self._out.print(f"None of these words finds anything by meaning: {', '.join(STRANGERS)}.")
        return []


def is_first(image_id: str, hits: Sequence[Hit]) -> bool:
    """Return whether an image comes first; among hits that score alike, any place is the first."""
    return any(hit.id == image_id and hit.score >= hits[0].score - _SAME for hit in hits)


def run(
    group: ServiceGroup,
    source: Path,
    drawn: bool,
    key: str | None,
    out: Console,
    report: Path | None = None,
) -> None:
    """The demo, over services that it starts. Raises an ISEError when anything is wrong.

    report: where an evaluation goes, with a suffix added; without it there is none.
    """
    out.print("Starting the three services.")
    with (
        group,
        Client(group.url("indexer"), key) as indexer_client,
        Client(group.url("query"), key) as query_client,
        Client(group.url("embedder"), key) as embedder_client,
    ):
        try:
            group.wait_ready(_START_S, lambda waiting: out.print(waiting_line(waiting)))
            tour = Tour(indexer_client, query_client, out)
            tour.ingest(source)
            held = tour.stats()
            by_image = tour.by_image()
            by_term = tour.by_term()
            # A folder may have too few tags to learn from; the sample must learn.
            by_meaning = tour.by_meaning() if drawn or held.network else []
            found = None
            if by_term and report is not None:
                clients = query_client, indexer_client, embedder_client
                found = evaluation.evaluate(*clients, None, {"default": {}, PLAIN: RERANK}, QUERIES)
                _, page = evaluation.write(found, indexer_client, report)
        except ISEError:
            group.check()  # A service that ended says more than the call that missed it.
            raise
    out.print(f"{held.images:,} images, {held.clusters:,} clusters, {held.tags:,} tags.")
    out.print()
    show(out, "Search by image", by_image)
    if by_term:
        show(out, "Search by term", by_term + by_meaning)
    else:
        out.print("No image carries a tag, so there is nothing to search by term.")
    out.print(verdict(by_image, by_term), soft_wrap=True)
    if found is not None:
        out.print(Text("\nEvaluation"), table_of(found, FIGURES), sep="\n")
        out.print(f"The whole report: {page}", soft_wrap=True)


def show(out: Console, title: str, answers: Answers) -> None:
    """One table for several searches."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False)
    for column in ("query", "rank", "relevance", "probability", "tags", "picture"):
        table.add_column(column, overflow="fold")
    for name, answer in answers:
        for rank, hit in enumerate(answer.hits, 1):
            table.add_row(
                plain(f"{name} ({answer.mode})" if rank == 1 else ""),
                str(rank),
                f"{hit.relevance:.3f}",
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
    carried = [tag_key(term) in tagset(hit) for term, answer in by_term for hit in answer.hits]
    if carried:
        parts.append(f"Of the hits by tag, {share(carried)} carry the tag.")
    return " ".join(parts)


def tagset(hit: Hit) -> set[str]:
    return {tag_key(tag) for tag in hit.tags}


def share(flags: Sequence[bool]) -> str:
    return f"{sum(flags) / len(flags):.0%}"


def source_of(images: Path) -> Path:
    """A folder or a manifest that names pictures, as the indexer will see it."""
    source = images.expanduser().absolute()
    if not source.exists():
        raise InvalidInput(f"{source} doesn't exist.")
    if not read_source(source, None):
        raise InvalidInput(f"There are no pictures in {images}.")
    return source


def local_settings(data: Path) -> ServiceSettings:
    """Loopback only, the usual ports where they are free, and no service elsewhere."""
    settings = load_settings(ServiceSettings).model_copy(
        update={"host": "127.0.0.1", "query_url": "", "indexer_url": "", "embedder_url": ""}
    )
    changed: dict[str, object] = {"data_dir": data.expanduser()}
    for service in local_services(settings):
        try:
            service.check_port()
        except Misconfigured:
            changed[f"{service.name}_port"] = free_port()
    return settings.model_copy(update=changed)


def demo(images: Path | None, data: Path, out: Console) -> None:
    """Prepares pictures and settings, runs the demo, and says how to go on."""
    source = source_of(images) if images else None
    settings = local_settings(data)
    place = Place.beside(settings.data_dir)
    if place.folder != settings.data_dir:
        out.print(
            f"{settings.data_dir} has a collection that isn't the demo's; it stays as it is. "
            f"The demo's goes to {place.folder}.",
            soft_wrap=True,
        )
    settings = settings.model_copy(update={"data_dir": place.folder})
    if source and source.resolve().is_relative_to(place.folder.resolve()):
        raise InvalidInput(f"{images} lies in {place.folder}, which the demo empties.")
    key = settings.api_key.get_secret_value() if settings.api_key else None
    with place:
        logs = Path(tempfile.mkdtemp(prefix="ise-demo-"))
        # A catalogue elsewhere would be the user's own.
        group = ServiceGroup.local(settings, env={"ISE_DATABASE_URL": ""}, log_dir=logs)
        if source is None:
            out.print("Drawing the sample pictures.")
        try:
            run(
                group,
                source or draw_sample(place.sample),
                source is None,
                key,
                out,
                place.folder / "evaluation",
            )
        except ISEError:
            out.print(f"The services' logs are in {logs}.", soft_wrap=True)
            raise
    shutil.rmtree(logs)
    where = shlex.quote(str(place.folder))
    out.print(
        f"To go on: `make run DATA={where}` serves this collection; `make run` serves ./data, for "
        "your own.",
        soft_wrap=True,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m demo.run", description=__doc__)
    parser.add_argument("--images", help="a folder of pictures; without it, a sample is drawn")
    parser.add_argument(
        "--data", type=Path, default=Path(DATA), help=f"where the collection goes ({DATA})"
    )
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
