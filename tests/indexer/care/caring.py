"""Damage, check and repair a data folder."""

import os
import subprocess
import sys

from services.indexer.care.backup import catalogue_of
from services.indexer.care.check import findings
from services.indexer.care.folder import opened
from services.indexer.care.repair import Repair

TAGS = ("dog", "cat", "car")


SEEDS = range(18)


# SQLite has checks of its own; a lock is empty; which network is in use follows the snapshot.
PASSED_OVER = ("catalog.sqlite", ".lock", "networks/CURRENT")


def found(data):
    with opened(data, catalogue_of(data)) as folder:
        return list(findings(folder))


def wrong(data):
    return [finding for finding in found(data) if not finding.is_harmless]


def repaired(data):
    with opened(data, catalogue_of(data)) as folder:
        deeds = Repair(folder).plan()
        for deed in deeds:
            if deed.do is not None:
                deed.do()
    return deeds


def flip(path, at=None, mask=0xFF):
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if at is None else at] ^= mask
    path.write_bytes(content)


def one(data, pattern):
    return sorted(data.glob(pattern))[-1]


def segments_in_use(data):
    with opened(data, catalogue_of(data)) as folder:
        current = folder.snapshots.current()
        return [folder.snapshots.segments / file.name for file in current.files()]


def watched(data):
    """Every file that `check` vouches for."""
    files = sorted(path for path in data.rglob("*") if path.is_file())
    return [path for path in files if str(path.relative_to(data)) not in PASSED_OVER]


def answers(service, picture):
    seeds = [*SEEDS, 100, 102]
    hits = {n: service.found(picture(n), limit=5, exact=True) for n in seeds}
    return hits, {tag: service.tagged(tag) for tag in (*TAGS, "bird")}


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def ise(data, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "shared.cli.main", *arguments],
        env={**os.environ, "ISE_DATA_DIR": str(data)},
        capture_output=True,
        text=True,
    )
