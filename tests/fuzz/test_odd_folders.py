"""Whatever a folder holds, it is taken in: each file is found, listed with a reason or counted.

A few folders in each run; 500 with the slow tests. `ISE_ODD_FOLDERS` says how many else.
"""

import fnmatch
import os
import shutil
import stat
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from sqlalchemy import select

from services.indexer.catalog.schema import images, locations
from services.indexer.sources.source import IMAGE_SUFFIXES
from shared.clients import indexer
from shared.contracts.jobs import Job, JobState
from shared.media.identity import content_id
from shared.objects.local_path import path_of, readable
from tests.fuzz.odd_folders import (
    SKIPPED_NAMES,
    OddFolder,
    change,
    every_path,
    folders,
    manifest_of,
    picture,
    put,
    tar_of,
    zip_of,
)
from tests.indexer.running import Service, running_embedder

FEW = 20
MANY = int(os.environ.get("ISE_ODD_FOLDERS", "500"))
_AS_MUCH_AS_IT_TAKES = settings(
    deadline=None,
    database=None,
    derandomize=True,
    # To shrink takes minutes; ISE_SHRINK asks for it.
    phases=[Phase.generate, *([Phase.shrink] if os.environ.get("ISE_SHRINK") else [])],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Trial:
    """One collection, into which folder after folder goes."""

    def __init__(self, service: Service, at: Path) -> None:
        self.service = service
        self.at = at
        self.outside = at / "outside"
        self.outside.mkdir()
        (self.outside / "secret.png").write_bytes(picture(9999))
        self.numbers = count()

    def run(self, odd: OddFolder) -> None:
        number = next(self.numbers)
        root = self.at / "in" / f"folder-{number}"
        root.mkdir(parents=True)
        put(root, self.outside, odd.first)
        how = {"follow_links": odd.follow_links, "exclude": odd.exclude, "confined": True}
        self.check(root, odd, self.ended(root, build=number == 0, **how))
        self.packed(root, odd.packing, how)
        change(root, self.outside, odd)
        job = self.ended(root, sync=True, force=True, **how)
        self.check(root, odd, job)
        self.check_places(root, odd, set(self.service.reasons(job)))
        shutil.rmtree(root)

    def ended(self, source: Path, **how: object) -> Job:
        job = self.service.ended(self.service.start_ingest(source, **{"build": False} | how))
        none = job.error is not None and job.error.startswith("There are no pictures in ")
        assert job.state is JobState.SUCCEEDED or none, job.error
        if job.result is not None and not how.get("sync"):
            told = [job.result[one] for one in ("embedded", "already_there", "failed")]
            assert job.result["files"] == sum(told)
        return job

    def packed(self, root: Path, number: int, how: dict[str, object]) -> None:
        """The same folder as an archive or a list."""
        name, data = [
            lambda: ("odd.tar", tar_of(root)),
            lambda: ("odd.zip", zip_of(root, flagged=True)),
            lambda: ("odd.zip", zip_of(root, flagged=False)),
            lambda: manifest_of(root, number),
        ][number % 4]()
        if name == "odd.csv":
            (root / name).write_bytes(data)
            self.ended(root / name, **how)
            (root / name).unlink()
            return
        archive = root.with_name(f"{root.name}-{name}")
        archive.write_bytes(data)
        reasons = self.service.reasons(self.ended(archive, **how))
        assert not any("unexpected" in reason for reason in reasons.values()), reasons
        archive.unlink()

    def check(self, root: Path, odd: OddFolder, job: Job) -> None:
        """Each file is found, listed with a reason, or left out by a rule."""
        reasons = self.service.reasons(job)
        assert not any("unexpected" in reason for reason in reasons.values()), reasons
        present = self.searchable()
        assert content_id(picture(9999)) not in present
        for path in every_path(root):
            if not stat.S_ISREG(path.lstat().st_mode):
                continue
            within = path.relative_to(root)
            if self.is_left_out(root, within, odd):
                continue
            is_found = content_id(path.read_bytes()) in present
            names = {readable(str(one)) for one in (within, *within.parents)}
            assert is_found != bool(names & reasons.keys()), (within, reasons)

    @staticmethod
    def is_left_out(root: Path, within: Path, odd: OddFolder) -> bool:
        """Whether a rule leaves a file out, or may do so."""
        if within.suffix.lower() not in IMAGE_SUFFIXES:
            return True
        if any(part in SKIPPED_NAMES or part.startswith(".") for part in within.parts):
            return True
        ignored = any((root / folder / ".iseignore").exists() for folder in within.parents)
        patterns = [*odd.exclude, *(["*.webp", "b/", "c*"] if ignored else [])]
        bare = [pattern.strip("/").rpartition("/")[2] for pattern in patterns]
        return any(fnmatch.fnmatchcase(part, one) for part in within.parts for one in bare)

    def searchable(self) -> set[str]:
        """The images of the published snapshot, which has all of the catalogue."""
        found = self.service.parts.images
        with found.database.read() as db:
            ids = set(db.execute(select(images.c.id)).scalars())
        newest = next(s for s in self.service.send(indexer.list_snapshots()).snapshots if s.current)
        assert newest.images == len(ids)
        return ids

    def check_places(self, root: Path, odd: OddFolder, failed: set[str]) -> None:
        """After a sync nothing is said to be where it isn't, except where the file can't be taken:
        that may be half a file, which the next sync finds whole."""
        with self.service.parts.images.database.read() as db:
            joined = select(locations.c.path, images.c.id).join(
                images, images.c.ordinal == locations.c.ordinal
            )
            rows = db.execute(joined).all()
        for text, image_id in rows:
            path = Path(path_of(text) or "/nowhere")
            if path.is_relative_to(root) and path.name != "odd.csv":
                assert path.is_file(), (path, "is gone and still said to be there")
                within = path.relative_to(root)
                is_same = content_id(path.read_bytes()) == image_id
                # A list may name what rules leave out of the folder; it isn't synced here.
                is_others = self.is_left_out(root, within, odd)
                assert is_same or is_others or readable(str(within)) in failed, path


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    at = tmp_path_factory.mktemp("odd")
    (at / "in").mkdir()
    with running_embedder(at / "mounted") as embedder:
        embedder.mount(at / "data")
        with Service(at / "data", embedder.url, ingest_roots=[at / "in"]) as service:
            yield Trial(service, at)


@settings(_AS_MUCH_AS_IT_TAKES, max_examples=FEW)
@given(odd=folders)
def test_whatever_a_folder_holds_no_file_is_lost_and_no_job_fails(trial: Trial, odd: OddFolder):
    trial.run(odd)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(_AS_MUCH_AS_IT_TAKES, max_examples=MANY)
@given(odd=folders)
def test_of_500_odd_folders_no_file_is_lost_and_no_job_fails(trial: Trial, odd: OddFolder):
    trial.run(odd)
