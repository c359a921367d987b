"""`ise ingest --sync`, its dry run, and `--watch`."""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from shared.cli import watch
from shared.contracts.sync import HeldFolder, SyncAction, SyncPlan, SyncStep
from shared.core.errors import InvalidInput

PLAN = SyncPlan(
    counts={action: int(action in ("add", "retag")) for action in SyncAction},
    embed=1,
    unchanged=1234,
    dismissed=2,
    needs_force=False,
    steps=[
        SyncStep(action=SyncAction.RETAG, uri="cat/[red].jpg", was="dog/b.jpg", tags=["cat"]),
        SyncStep(action=SyncAction.ADD, uri="new.jpg", tags=[]),
    ],
)


@pytest.fixture
def planned(fake, services):
    """The services, with a plan to tell."""

    def tell(**changes):
        plan = PLAN.model_copy(update=changes).model_dump(mode="json")
        fake.steps = [services.job(state="succeeded", result={"plan": plan})]
        return plan

    return tell


def test_a_sync_asks_for_what_was_said(fake, ise, tmp_path):
    assert ise("ingest", "photos", "--sync", "--force", "--no-build").code == 0
    [(name, asked)] = fake.asked
    assert (name, asked["source"]) == ("ingest", str(tmp_path / "photos"))
    wanted = {"sync": True, "force": True, "dry_run": False, "build": False}
    assert wanted.items() <= asked.items()


def test_folders_that_may_be_empty_are_named(fake, ise):
    options = ["--force-in", "trips/far", "--force-in", "dog"]
    assert ise("ingest", "photos", "--sync", *options).code == 0
    assert fake.asked[0][1]["force_in"] == ["trips/far", "dog"]
    assert fake.asked[0][1]["force"] is False


def test_a_folder_that_was_held_back_is_told_with_what_to_do(fake, ise, services):
    held = {"folder": "trips/so far", "files": 1200, "reason": "The folder is not there any more."}
    fake.steps = [services.job(state="succeeded", result={"delete": 1, "held_back": [held]})]
    done = ise("ingest", "photos", "--sync")
    assert done.code == 0
    assert "1,200 pictures are not deleted" in done.err
    assert "--force-in 'trips/so far'" in done.err


def test_a_dry_run_shows_each_step_and_counts(fake, ise, planned):
    planned()
    done = ise("ingest", "photos", "--sync", "--dry-run")
    assert done.code == 0
    rows = [line.split() for line in done.out.splitlines() if line.strip()]
    assert rows[0] == ["action", "uri", "was", "tags"]
    assert ["retag", "cat/[red].jpg", "dog/b.jpg", "cat"] in rows
    assert ["add", "new.jpg"] in rows
    assert ["unchanged", "1,234"] in rows
    assert "--force" not in done.out
    assert fake.asked[0][1]["dry_run"] is True


def test_a_dry_run_says_what_it_leaves_out_and_what_needs_consent(ise, planned):
    planned(needs_force=True, left_out=7)
    out = ise("ingest", "photos", "--sync", "--dry-run").out
    assert "needs --force, as half" in out
    assert ["not", "listed", "here", "7"] in [line.split() for line in out.splitlines()]


def test_a_dry_run_names_the_folders_that_it_would_hold_back(ise, planned):
    planned(
        needs_force=True,
        held_back=[HeldFolder(folder="dog", files=3, reason="The folder is empty.")],
    )
    out = ise("ingest", "photos", "--sync", "--dry-run").out
    assert "3: The folder is empty." in out
    assert "--force-in FOLDER" in out


def test_a_dry_run_as_json_is_the_job_with_its_plan(ise, planned):
    plan = planned()
    assert ise("ingest", "photos", "--sync", "--dry-run", "--json").json["result"]["plan"] == plan


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--dry-run"], "belong to a sync: add --sync."),
        (["--force"], "belong to a sync: add --sync."),
        (["--force-in", "dog"], "belong to a sync: add --sync."),
        (["--watch"], "belong to a sync: add --sync."),
        (["--sync", "--poll", "5"], "--poll belongs to --watch."),
        (["--sync", "--watch", "--dry-run"], "not both."),
        (["--sync", "--watch"], "--watch needs a folder on this machine"),
    ],
)
def test_options_that_make_no_sense_together_are_refused(fake, ise, options, sentence):
    done = ise("ingest", "photos", *options)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert sentence in done.err
    assert fake.asked == []


def test_pictures_that_were_overwritten_are_told_of(fake, services, ise):
    fake.steps = [services.job(state="succeeded", result={"replaced": 3})]
    assert "3 pictures lost their file" in ise("ingest", "photos").err


# --- watch ----------------------------------------------------------------------------------------


class Watcher:
    """`watch.follow` in a thread; `acts` counts its calls."""

    def __init__(self, folder: Path, **options) -> None:
        self.acts = 0
        self.good = True
        self._end = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(folder,), kwargs=options, daemon=True
        )

    def _run(self, folder: Path, **options) -> None:
        with suppress(InterruptedError):
            watch.follow(folder, self._act, **options)

    def _act(self) -> bool:
        if self._end.is_set():
            raise InterruptedError
        self.acts += 1
        return self.good

    def wait(self, acts: int) -> None:
        end = time.monotonic() + 60
        while self.acts < acts:
            assert time.monotonic() < end, f"{self.acts} of {acts}"
            time.sleep(0.05)

    def __enter__(self):
        self._thread.start()
        self.wait(1)
        return self

    def __exit__(self, *_):
        self._end.set()


@pytest.mark.parametrize("options", [{}, {"poll_s": 1}])
def test_each_change_is_followed(tmp_path, options):
    (tmp_path / "source" / "dog").mkdir(parents=True)
    with Watcher(tmp_path / "source", **options) as watcher:
        (tmp_path / "source" / "a.png").write_bytes(b"a")
        watcher.wait(2)
        (tmp_path / "source" / "dog").rename(tmp_path / "source" / "cat")
        watcher.wait(3)


def test_hidden_files_and_the_services_own_are_none_of_its_business(tmp_path):
    (tmp_path / "data").mkdir()
    with Watcher(tmp_path, beside=tmp_path / "data") as watcher:
        (tmp_path / "data" / "catalog").write_bytes(b"a")
        (tmp_path / ".cache").mkdir()
        (tmp_path / ".cache" / "a").write_bytes(b"a")
        os.utime(tmp_path / "data")
        (tmp_path / "a.png").write_bytes(b"a")
        watcher.wait(2)
    assert watcher.acts == 2


def test_what_went_wrong_is_tried_again(tmp_path):
    watcher = Watcher(tmp_path, retry_s=0.0)
    watcher.good = False
    with watcher:
        watcher.wait(3)
        watcher.good = True


@pytest.mark.slow
def test_a_folder_that_is_taken_away_and_comes_back_is_followed_again(tmp_path):
    (tmp_path / "disk").mkdir()
    with Watcher(tmp_path / "disk") as watcher:
        (tmp_path / "disk").rename(tmp_path / "away")
        (tmp_path / "disk").mkdir()
        watcher.wait(2)
        before = watcher.acts
        (tmp_path / "disk" / "a.png").write_bytes(b"a")
        watcher.wait(before + 1)


def test_a_folder_that_cant_be_watched_is_a_sentence(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError("OS file watch limit reached.")

    monkeypatch.setattr(watch, "watch", full)
    with pytest.raises(InvalidInput, match=r"can't be watched: OS file watch .* `--poll 60`"):
        watch.follow(tmp_path, lambda: True)


def test_a_network_mount_is_known_by_its_kind(tmp_path):
    (tmp_path / "my share").mkdir()
    mounts = tmp_path / "mounts"
    share = str(tmp_path / "my share").replace(" ", "\\040")
    mounts.write_text(f"disk / ext4 rw 0 0\nserver:/x {share} nfs4 rw 0 0\n")
    assert watch.is_remote(tmp_path / "my share" / "deep", mounts)
    assert not watch.is_remote(tmp_path, mounts)
    assert not watch.is_remote(tmp_path, tmp_path / "none")
