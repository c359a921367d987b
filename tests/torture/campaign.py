"""Kills the indexer, at each failpoint and at random moments, and checks what is left each time."""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from shared.clients.transport import Client
from shared.core.errors import ISEError, StorageFull
from tests.ports import free_port
from tests.torture.failpoints import ALL, FULL
from tests.torture.life import Life
from tests.torture.world import JobFailed, World

_REPOSITORY = Path(__file__).parents[2]
_KILLS_A_WORLD = 40
# Training and clustering take long, so they come seldom at random.
_ACTS = ("add",) * 6 + ("delete",) * 4 + ("retag",) * 2 + ("ingest", "sync", "activate") * 2
_ACTS += ("compact", "build", "add_tagged", "thumbnail")


@dataclass
class Summary:
    """What a campaign did, and what went wrong."""

    kills: dict[str, int] = field(default_factory=lambda: {"failpoint": 0, "random": 0})
    not_reached: list[str] = field(default_factory=list)
    full_disks: int = 0
    not_told: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    """What was acknowledged, and isn't so; files left over; an index that differs."""
    failures: list[str] = field(default_factory=list)
    """Calls and jobs that failed although nobody killed the process: a fault, but no loss."""

    def lost(self, what: str) -> None:
        """At once, for a campaign is long."""
        self.losses.append(what)
        print(f"LOSS: {what}", flush=True)

    def failed(self, what: str) -> None:
        self.failures.append(what)
        print(f"FAILURE: {what}", flush=True)

    @property
    def killed(self) -> int:
        return sum(self.kills.values())


class Embedder:
    """The real embedder, for all worlds: it sees the one that is mounted."""

    def __init__(self, folder: Path) -> None:
        self._mount = folder / "mounted"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        environment = {
            **os.environ,
            "ISE_PROFILE": "mini",
            "ISE_DATA_DIR": str(self._mount),
            "ISE_EMBEDDER_PORT": str(port),
            "ISE_TORCH_THREADS": "1",
            "ISE_LOG_LEVEL": "critical",
        }
        self.client = Client(self.url)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "services.embedder"], cwd=_REPOSITORY, env=environment
        )

    def wait(self) -> None:
        with httpx.Client(trust_env=False) as http:
            while True:
                assert self._process.poll() is None, "the embedder did not start"
                try:
                    if http.get(f"{self.url}/ready").is_success:
                        return
                except httpx.TransportError:
                    time.sleep(0.1)

    def mount(self, data: Path) -> None:
        self._mount.unlink(missing_ok=True)
        self._mount.symlink_to(data)

    def stop(self) -> None:
        self.client.close()
        self._process.terminate()
        self._process.wait()


@contextmanager
def embedding(folder: Path) -> Iterator[Embedder]:
    found = Embedder(folder)
    try:
        found.wait()
        yield found
    finally:
        found.stop()


class Campaign:
    """Kills in one world after another; the same seed makes the same choices."""

    def __init__(self, folder: Path, embedder: Embedder, seed: int) -> None:
        self._folder = folder
        self._embedder = embedder
        self._dice = random.Random(seed)
        self._worlds = 0
        self._world: World | None = None
        self._kills_here = 0
        self.summary = Summary()

    def at_each_failpoint(self) -> None:
        """Each once, whatever reaches it first; those that only a new collection passes first."""
        for name, act in self._dice.sample(ALL, len(ALL)):
            self.at_failpoint(name, act)

    def at_failpoint(self, name: str, act: str, passes: int = 1) -> None:
        world = self._new_world() if act == "begin" else self._some_world()
        if not self._killed_at(world, name, act, passes):
            # What a world has been through may leave an act nothing to write.
            self._world = None
            world = self._new_world() if act == "begin" else self._some_world()
            if not self._killed_at(world, name, act, passes):
                self.summary.not_reached.append(f"{name} by {act}")

    def _killed_at(self, world: World, name: str, act: str, passes: int) -> bool:
        with Life(world.data, self._embedder.url, f"{name}=kill@{passes}") as life:
            # Several times: an old snapshot, say, is removed only where there are many.
            for _ in range(12):
                if not life.is_ready():
                    break
                if not self._act(world, life, act):
                    break
            died = life.dies_within(5) if act == "begin" else life.was_killed
        if died:
            self._count("failpoint")
        self._check(world, f"{name}@{passes} in {act}")
        return died

    def at_full_disks(self) -> None:
        """At each step that writes, once."""
        for name, act in self._dice.sample(FULL, len(FULL)):
            self.at_full_disk(name, act)

    def at_full_disk(self, name: str, act: str) -> None:
        """The disk is full at one step: a clear error, and the next try does it, as ever."""
        world = self._new_world() if act == "begin" else self._some_world()
        if self._told_at(world, name, act):
            return
        # As with a kill: what a world has been through may leave an act nothing to write.
        self._world = None
        world = self._new_world() if act == "begin" else self._some_world()
        if not self._told_at(world, name, act):
            self.summary.not_told.append(f"{name} by {act}")

    def _told_at(self, world: World, name: str, act: str) -> bool:
        self._kills_here += 1
        told = False
        when = f"a full disk at {name} in {act}"
        # A start writes to the catalogue a few times.
        at = 8 if name.startswith("catalogue.") else 1
        with Life(world.data, self._embedder.url, f"{name}=full@{at}") as life:
            try:
                assert life.is_ready()
                for _ in range(12):
                    try:
                        world.acts[act](life)
                    except StorageFull:
                        told = True
                        break
                self.summary.full_disks += told
                world.acts[act](life)
                world.check(life)
                world.check_files()
            except (AssertionError, ISEError, JobFailed) as error:
                self.summary.lost(f"{when}: {error}")
                self._world = None
        return told

    def at_random(self) -> None:
        """Some acts, killed somewhere in them."""
        world = self._some_world()
        acts = [self._dice.choice(_ACTS) for _ in range(20)]
        delay = self._dice.uniform(0.0, 0.5)
        with Life(world.data, self._embedder.url) as life:
            life.is_ready()
            timer = threading.Timer(delay, life.kill)
            timer.start()
            for act in acts:
                if not self._act(world, life, act):
                    break
            timer.join()
        self._count("random")
        self._check(world, f"a random moment of {acts}")

    def _act(self, world: World, life: Life, act: str) -> bool:
        """Whether the life went on after it."""
        try:
            world.acts[act](life)
        except (ISEError, JobFailed) as error:
            if not life.dies_within(5):
                self.summary.failed(f"{act}: {error}")
            return False
        except AssertionError as error:
            self.summary.lost(f"{act}: {error}")
            return False
        return True

    def _check(self, world: World, when: str) -> None:
        """Compare with what was acknowledged. Where the comparison itself breaks off, it is made
        again, by another life: that tells a call that failed from a loss.
        """
        for is_last in (False, True):
            try:
                with Life(world.data, self._embedder.url) as life:
                    assert life.is_ready()
                    world.check(life)
                    world.check_files()
            except (ISEError, JobFailed) as error:
                tell = self.summary.lost if is_last else self.summary.failed
                tell(f"{when}: {error}")
            except AssertionError as error:
                self.summary.lost(f"{when}: {error}")
                break
            else:
                return
        self._world = None

    def _count(self, kind: str) -> None:
        self.summary.kills[kind] += 1
        self._kills_here += 1

    def _some_world(self) -> World:
        if self._world is None or self._kills_here >= _KILLS_A_WORLD:
            self._world = self._new_world()
            with Life(self._world.data, self._embedder.url) as life:
                assert life.is_ready()
                for act in ("add", "add", "ingest", "build", "add"):
                    self._world.acts[act](life)
        return self._world

    def _new_world(self) -> World:
        self._worlds += 1
        self._kills_here = 0
        world = World(self._folder / str(self._worlds), self._embedder.client, self._dice)
        self._world = None
        self._embedder.mount(world.data)
        return world
