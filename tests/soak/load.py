"""Everything at once, as users do it: searches of every kind, changes, syncs, builds, re-embedding,
and clients that fail."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from shared.clients import indexer, query
from shared.clients.transport import Client
from shared.contracts.indexer import BuildSettings, ImagePatch, IngestRequest, ReembedRequest
from shared.core import problem
from shared.core.errors import Conflict, ISEError, NotFound, Overloaded
from shared.media.identity import content_id
from tests.e2e.engine import Engine
from tests.soak.failing import UPLOADS as SERVICES
from tests.soak.failing import fail
from tests.torture.world import picture

SEARCHERS = 4
# What is uploaded and what is put into the folder is as many at the end of a round as before.
UPLOADS, FILES = 12, 6
_TAGS = ("dog", "castle", "tree")
_BUILDS_A_MODEL = 3
Profile = Literal["mini", "lite"]
PROFILES: tuple[Profile, ...] = ("mini", "lite")
"""The collection goes over from one to the other, again and again."""
_REMEMBERED = 50
"""Deleted pictures that are looked for at the end of a round."""

Act = Callable[[Client, random.Random], object]


class Load:
    """Rounds of it on one collection, whose size stays what it is."""

    def __init__(self, engine: Engine, manifest: Path, folder: Path, seed: int = 0) -> None:
        self._engine = engine
        self._folder = folder
        self._dice = random.Random(seed)
        self._began = time.monotonic()
        self._pictures = [path.read_bytes() for path in sorted(manifest.parent.rglob("*.jpg"))]
        engine.ingest(manifest, clusters=6)
        hits = engine.ask(query.search_image(self._pictures[0], limit=50)).hits
        self._ids = [hit.id for hit in hits]
        self._tags = [tag.tag for tag in engine.ask(query.list_tags()).tags]
        self._kept: dict[str, bytes] = {}
        self._deleted: list[str] = []
        # The first one changes the model, so that both are in memory soon.
        self._builds = _BUILDS_A_MODEL - 1
        self._profile: Profile = "mini"
        self._acts: list[Act] = [
            lambda c, d: c.send(query.search_image(d.choice(self._pictures))),
            lambda c, d: c.send(query.search_term(d.choice(self._tags))),
            lambda c, d: c.send(query.search_term(d.choice(("ship", "winter", "animal")))),
            lambda c, d: c.send(query.search_id(d.choice(self._ids), explain=True)),
            self._by_vector,
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
        """All of it at once, for so long and to the end of what was begun; nothing is lost."""
        ended = threading.Event()
        works = [*[self._search] * SEARCHERS, self._write, self._follow]
        works += [lambda d, e, name=name: self._fail(name, d, e) for name in SERVICES]
        with ThreadPoolExecutor(len(works)) as threads:
            working = [
                threads.submit(work, random.Random(self._dice.random()), ended) for work in works
            ]
            time.sleep(seconds)
            ended.set()
        for work in working:
            work.result()
        self._check()

    def _search(self, dice: random.Random, ended: threading.Event) -> None:
        with Client(self._engine.query.base_url) as client:
            while not ended.is_set():
                try:
                    dice.choice(self._acts)(client, dice)
                    self.done["searches"] += 1
                except Overloaded:
                    self.done["turned away"] += 1
                except ISEError as error:
                    self._failed("a search", error)

    def _by_vector(self, client: Client, dice: random.Random) -> None:
        hits = client.send(query.search_id(dice.choice(self._ids), limit=1, with_vector=True)).hits
        try:
            client.send(query.search_vector(hits[0].vector or [], exact=True))
        except ISEError as error:
            # Another model is in use by now: its vectors are longer, or shorter.
            if problem.status_of(error) != 422 and not isinstance(error, Conflict):
                raise
            self.done["vectors of another model"] += 1

    def _write(self, dice: random.Random, ended: threading.Event) -> None:
        send = self._engine.indexer.send
        while len(self._kept) > UPLOADS or not ended.is_set():
            try:
                if len(self._kept) <= UPLOADS and not ended.is_set():
                    data = picture(dice.randrange(2**32))
                    send(indexer.add_images([("a.png", data)], [dice.choice(_TAGS)]))
                    image_id = content_id(data)
                    self._kept[image_id] = data
                    send(indexer.patch_image(image_id, ImagePatch(tags=dice.sample(_TAGS, 2))))
                    self.done["uploads"] += 1
                else:
                    image_id = next(iter(self._kept))
                    send(indexer.delete_image(image_id))
                    del self._kept[image_id]
                    self._deleted = [*self._deleted, image_id][-_REMEMBERED:]
                    self.done["deletions"] += 1
            except Overloaded:
                self.done["turned away"] += 1
            except ISEError as error:
                self._failed("a change", error)
                return

    def _follow(self, dice: random.Random, ended: threading.Event) -> None:
        """A folder, other files of which are there each time; then a build, or another model."""
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
                self._builds += 1
                if self._builds % _BUILDS_A_MODEL:
                    self._engine.done(self._engine.indexer.send(indexer.build_index(build)))
                    self.done["builds"] += 1
                else:
                    self._profile = "lite" if self._profile == "mini" else "mini"
                    switch = ReembedRequest(profile=self._profile, build=build)
                    self._engine.done(self._engine.indexer.send(indexer.reembed_index(switch)))
                    self.done["re-embeddings"] += 1
            except (ISEError, AssertionError) as error:
                self._failed("a job", error)
                return

    def _fail(self, service: str, dice: random.Random, ended: threading.Event) -> None:
        port = urlsplit(self._engine.group.url(service)).port
        assert port is not None
        while not ended.wait(0.2):
            fail(port, service, dice, ended)
            self.done["failing clients"] += 1

    def _check(self) -> None:
        """What was acknowledged is there, is found and is itself; what was deleted is gone."""
        try:
            for image_id, data in self._kept.items():
                if self._engine.indexer.send(indexer.get_image_file(image_id))[0] != data:
                    self._failed("a file", "is another one")
            for image_id in (*self._kept, *self._ids):
                hits = self._engine.ask(query.search_id(image_id, limit=1)).hits
                if [hit.id for hit in hits] != [image_id]:
                    self._failed("an image", f"{image_id} does not find itself")
        except ISEError as error:
            self._failed("lost", error)
        for image_id in self._deleted:
            try:
                self._engine.indexer.send(indexer.get_image(image_id))
                self._failed("a deletion", f"{image_id} is back")
            except NotFound:
                continue
            except ISEError as error:
                self._failed("a look for what was deleted", error)

    def _failed(self, what: str, error: object) -> None:
        detail = error.detail if isinstance(error, ISEError) else str(error)
        self.failures.append(f"{time.monotonic() - self._began:.0f} s: {what}: {detail}")
        print(self.failures[-1], flush=True)

    def _parts(self, dice: random.Random) -> list[dict[str, str]]:
        return [{"id": dice.choice(self._ids)}, {"term": dice.choice(self._tags)}]

    def _filter(self, dice: random.Random) -> dict[str, object]:
        return {"must": [{"tag": dice.choice(self._tags)}]}
