"""Rounds of load on real services, and what they held after each."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.sample import draw_sample
from tests.e2e.engine import running
from tests.soak.levels import MIB, Level, level, rises
from tests.soak.load import Load

ROUND_S = 20.0


@dataclass(frozen=True)
class Told:
    """What a run came to."""

    done: Mapping[str, int]
    failures: list[str]
    rises: list[str]


def soaking(folder: Path, rounds: int, seconds: float, seed: int = 0) -> Told:
    source = folder / "source"
    source.mkdir(parents=True)
    manifest = draw_sample(folder / "sample", count=60, seed=3)
    levels: list[dict[str, Level]] = []
    with running(folder / "data", folder / "logs") as engine:
        load = Load(engine, manifest, source, seed)
        for number in range(rounds):
            load.round(seconds)
            levels.append({name: level(pid) for name, pid in engine.group.pids().items()})
            held = (f"{n} {h.bytes / MIB:.0f} MiB {h.files} files" for n, h in levels[-1].items())
            print(
                f"round {number + 1}: {', '.join(held)}, {sum(load.done.values())} done", flush=True
            )
    return Told(load.done, load.failures, rises(levels))
