"""Rounds of load on real services, and what they held after each."""

import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path

import httpx

from demo.sample import draw_sample
from shared.contracts.embedder import PROFILE_HEADER
from tests.e2e.engine import Engine, running
from tests.soak.levels import MIB, Level, disk, level, rises, rows, table_rises
from tests.soak.load import PROFILES, Load

ROUND_S = 20.0
_LEAST = 6
_SERVER_ERRORS = re.compile(r'^(ise_requests_total\{[^}]*status="5\d\d"[^}]*\}) (\S+)$', re.M)
# Jobs that ended go soon, so that their table is level within the time of a run.
_SETTINGS = {"ISE_TRASH_DAYS": "0", "ISE_JOB_DAYS": "0.001"}


@dataclass(frozen=True)
class Told:
    """What a run came to."""

    done: Mapping[str, int]
    failures: list[str]
    rises: list[str]
    server_errors: list[str]


def soaking(folder: Path, rounds: int, seconds: float, seed: int = 0, most_s: float = inf) -> Told:
    """Run so many rounds, but no further one after `most_s` seconds, and not less than six."""
    source = folder / "source"
    source.mkdir(parents=True)
    manifest = draw_sample(folder / "sample", count=60, seed=3)
    levels: list[dict[str, Level]] = []
    tables: list[dict[str, int]] = []
    with running(folder / "data", folder / "logs", **_SETTINGS) as engine:
        # While they start, services say that they aren't ready; so do the models of a profile.
        _load_models(engine)
        before = _server_errors(engine)
        load = Load(engine, manifest, source, seed)
        began = time.monotonic()
        for number in range(rounds):
            if number >= _LEAST and time.monotonic() - began > most_s:
                break
            load.round(seconds)
            levels.append({name: level(pid) for name, pid in engine.group.pids().items()})
            tables.append(rows(folder / "data" / "catalog.sqlite"))
            held = ", ".join(
                f"{name} {one.bytes / MIB:.0f} MiB {one.files} files {one.threads} threads"
                for name, one in levels[-1].items()
            )
            print(
                f"round {number + 1}: {held}, {sum(tables[-1].values())} rows, "
                f"{disk(folder / 'data') / MIB:.0f} MiB on disk, {sum(load.done.values())} done",
                flush=True,
            )
        errors = _server_errors(engine) - before
    print("rows at the end:", {name: count for name, count in tables[-1].items() if count})
    return Told(
        load.done,
        load.failures,
        [*rises(levels), *table_rises(tables)],
        [f"{count} times {what}" for what, count in errors.items()],
    )


def _load_models(engine: Engine) -> None:
    """Have the embedder load the models of the other profile that the load changes to."""
    for profile in PROFILES:
        with httpx.Client(trust_env=False, timeout=60, headers={PROFILE_HEADER: profile}) as http:
            while not http.get(f"{engine.group.url('embedder')}/v1/models").is_success:
                time.sleep(0.2)


def _server_errors(engine: Engine) -> Counter[str]:
    """Return the services' own counts of answers that say that they failed."""
    found: Counter[str] = Counter()
    with httpx.Client(trust_env=False, timeout=60) as http:
        for name in engine.group.pids():
            text = http.get(f"{engine.group.url(name)}/metrics").text
            found.update({what: int(float(n)) for what, n in _SERVER_ERRORS.findall(text)})
    return found
