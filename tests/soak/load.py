"""Everything at once, as users do it: searches of every kind, uploads, deletions, syncs, builds."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shared.clients import indexer, query
from shared.clients.transport import Client
from shared.contracts.indexer import BuildSettings, ImagePatch, IngestRequest
from shared.core.errors import ISEError, Overloaded
from shared.media.identity import content_id
from tests.e2e.engine import Engine
from tests.torture.world import picture

SEARCHERS = 4
# What is uploaded and what is put into the folder is as many at the end of a round as before.
UPLOADS, FILES = 12, 6
_TAGS = ("dog", "castle", "tree")

Act = Callable[[Client, random.Random], object]


class Load:
    """Rounds of it on one collection, whose size stays what it is."""

    def __init__(self, engine: Engine, manifest: Path, folder: Path, seed: int = 0) -> None:
        self._engine = engine
        self._folder = folder
        self._dice = random.Random(seed)
        self._pictures = [path.read_bytes() for path in sorted(manifest.parent.rglob("*.jpg"))]
        engine.ingest(manifest, clusters=6)
        hits = engine.ask(query.search_image(self._pictures[0], limit=50, with_vector=True)).hits
        self._ids = [hit.id for hit in hits]
        self._vectors = [hit.vector or [] for hit in hits]
        self._tags = [tag.tag for tag in engine.ask(query.list_tags()).tags]
        self._acts: list[Act] = [
            lambda c, d: c.send(query.search_image(d.choice(self._pictures))),
            lambda c, d: c.send(query.search_term(d.choice(self._tags))),
            lambda c, d: c.send(query.search_term(d.choice(("ship", "winter", "animal")))),
            lambda c, d: c.send(query.search_id(d.choice(self._ids), explain=True)),
            lambda c, d: c.send(query.search_vector(d.choice(self._vectors), exact=True)),
            lambda c, d: c.send(query.search(parts=self._parts(d), limit=20)),
            lambda c, d: c.send(query.search_batch([{"id": i} for i in d.sample(self._ids, 5)])),
            lambda c, d: c.send(query.search_id(d.choice(self._ids), filter=self._filter(d))),
            lambda c, d: c.send(query.find_similar_images(d.choice(self._ids), nprobe=1)),
            lambda c, d: c.send(query.get_thumbnail(d.choice(self._ids))),
            lambda c, d: c.send(query.explain_match(d.choice(self._ids), to=d.choice(self._ids))),
            lambda c, d: c.send(query.suggest_tags(d.choice(self._ids))),
            lambda c, _: c.send(query.get_stats()),
        ]
        self.done: Counter[str] = Counter()
        self.failures: list[str] = []

    def round(self, seconds: float) -> None:
        """All of it at once, for so long and to the end of what was begun."""
        ended = threading.Event()
        works = [*[self._search] * SEARCHERS, self._write, self._follow]
        with ThreadPoolExecutor(len(works)) as threads:
            working = [
                threads.submit(work, random.Random(self._dice.random()), ended) for work in works
            ]
            time.sleep(seconds)
            ended.set()
        for work in working:
            work.result()

    def _search(self, dice: random.Random, ended: threading.Event) -> None:
        with Client(self._engine.query.base_url) as client:
            while not ended.is_set():
                try:
                    dice.choice(self._acts)(client, dice)
                    self.done["searches"] += 1
                except Overloaded:
                    self.done["turned away"] += 1
                except ISEError as error:
                    self.failures.append(f"a search: {error.detail}")

    def _write(self, dice: random.Random, ended: threading.Event) -> None:
        send = self._engine.indexer.send
        kept: list[str] = []
        while kept or not ended.is_set():
            try:
                if len(kept) < UPLOADS and not ended.is_set():
                    data = picture(dice.randrange(2**32))
                    send(indexer.add_images([("a.png", data)], [dice.choice(_TAGS)]))
                    kept.append(content_id(data))
                    patch = ImagePatch(tags=dice.sample(_TAGS, 2))
                    send(indexer.patch_image(kept[-1], patch))
                    self.done["uploads"] += 1
                else:
                    send(indexer.delete_image(kept.pop(0)))
                    self.done["deletions"] += 1
            except ISEError as error:
                self.failures.append(f"a change: {error.detail}")
                return

    def _follow(self, dice: random.Random, ended: threading.Event) -> None:
        """A folder, other files of which are there each time; then a build."""
        while not ended.is_set():
            for path in self._folder.iterdir():
                path.unlink()
            for number in range(FILES):
                (self._folder / f"{number}.png").write_bytes(picture(dice.randrange(2**32)))
            source = str(self._folder)
            asked = IngestRequest(source=source, sync=True, force=True, build=False)
            try:
                self._engine.done(self._engine.indexer.send(indexer.ingest(asked)))
                build = BuildSettings(clusters=dice.randint(4, 8), transform="none")
                self._engine.done(self._engine.indexer.send(indexer.build_index(build)))
            except (ISEError, AssertionError) as error:
                self.failures.append(f"a job: {error}")
                return
            self.done["builds"] += 1

    def _parts(self, dice: random.Random) -> list[dict[str, str]]:
        return [{"id": dice.choice(self._ids)}, {"term": dice.choice(self._tags)}]

    def _filter(self, dice: random.Random) -> dict[str, object]:
        return {"must": [{"tag": dice.choice(self._tags)}]}
