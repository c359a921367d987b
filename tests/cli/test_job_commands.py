"""Commands that start a job, or tell of jobs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shared.cli.collection import source_of
from shared.cli.job_results import job_result
from shared.contracts.jobs import Failure, Job

ROOT = Path(__file__).parents[2]


def test_ingest_sends_an_absolute_path_and_waits(fake, ise, services, tmp_path):
    fake.steps = [
        services.job(state="queued"),
        services.job(progress={"done": 10}),
        services.job(state="succeeded", progress={"done": 40}, result={"added": 40}),
    ]
    done = ise("ingest", "photos", "--tags-from", "none", "--clusters", "8", "--no-build")
    assert done.code == 0
    wanted = {"source": str(tmp_path / "photos"), "tags_from": "none", "build": False}
    plain = {"confined": False, "sync": False, "dry_run": False, "force": False}
    plain |= {"force_in": [], "exclude": [], "follow_links": False}
    assert fake.asked == [("ingest", {**wanted, **plain, "clusters": 8})]
    assert done.out.split() == ["added", "40"]
    # A line for each stage, and the last figures; those between come every few seconds.
    assert done.err.splitlines() == [
        "queued: 0/40",
        "reading: 10/40",
        "reading: 40/40",
        "Job 7 is done.",
    ]


def test_ingest_says_in_one_line_what_was_left_out(fake, ise, services):
    skipped = {"system": 3, "links": 1, "not_pictures": 1200}
    note = "The folder 'x' has a name that is over 200 characters; the tag was cut to that."
    result = {"added": 40, "skipped": skipped, "tag_notes": [note]}
    fake.steps = [services.job(state="succeeded", result=result)]
    done = ise("ingest", "photos", "--exclude", "*.gif", "--exclude", "raw/", "--follow-links")
    assert done.code == 0
    [(_, asked)] = fake.asked
    assert (asked["exclude"], asked["follow_links"]) == (["*.gif", "raw/"], True)
    told = " ".join(done.out.split())
    assert "3 system files and folders, 1 links" in told
    assert "1,200 files of no picture format" in told
    assert "cut to that" in told


def test_a_path_that_is_not_utf8_is_sent_as_a_url():
    assert source_of("/caf\udce9") == "file:///caf%E9"
    assert source_of("/café") == "/café"


@pytest.mark.parametrize("command", [("ingest", "photos"), ("build",)])
def test_tags_that_the_network_lacks_are_told_with_the_way_out(fake, ise, services, command):
    told = (
        "The matching network was trained without 12 of the tags: `ise train-matching` learns them."
    )
    fake.steps = [services.job(state="succeeded", result={"untrained_tags": 12})]
    assert told in ise(*command).err.splitlines()
    for number in (0, None):
        fake.steps = [services.job(state="succeeded", result={"untrained_tags": number})]
        assert "trained without" not in ise(*command).err


def test_a_url_is_sent_as_it_is(fake, ise):
    ise("ingest", "s3://bucket/photos")
    assert fake.asked[0][1]["source"] == "s3://bucket/photos"


def test_ingest_lists_the_first_failures_and_counts_the_rest(fake, ise, services):
    fake.steps = [services.job(state="succeeded", progress={"done": 40, "failed": 23})]
    fake.failures = [Failure(path=f"p{n}.jpg", reason="It is [empty].") for n in range(23)]
    done = ise("ingest", "photos")
    assert done.code == 0
    assert "p19.jpg" in done.err
    assert "p20.jpg" not in done.err
    assert "[empty]" in done.err
    assert "And 3 more: `ise jobs 7 --failures`." in done.err


def test_a_job_that_fails_ends_the_command_with_its_error(fake, ise, services):
    fake.steps = [services.job(), services.job(state="failed", error="The disk is full.")]
    done = ise("build")
    assert (done.code, done.out) == (1, "")
    assert done.err.endswith("The disk is full.\n")


def test_a_job_as_json_is_the_job_as_it_ended(fake, ise, services):
    fake.steps = [services.job(), services.job(state="failed", error="The disk is full.")]
    done = ise("build", "--json")
    assert done.code == 1
    assert (done.json["state"], done.json["error"]) == ("failed", "The disk is full.")
    assert done.err == ""


def test_a_job_that_someone_cancels(fake, ise, services):
    fake.steps = [services.job(state="cancelled")]
    done = ise("build")
    assert done.code == 1
    assert "Job 7 was cancelled." in done.err


def test_build_and_train_send_their_options(fake, ise):
    fake.steps = fake.steps[-1:]
    options = ("--clusters", "auto", "--metric", "l2", "--rows", "float16", "--drop-missing")
    assert ise("build", *options).code == 0
    assert ise("train-matching", "--epochs", "3", "--seed", "5").code == 0
    (_, built), (_, trained) = fake.asked
    assert (built["clusters"], built["metric"], built["rows"]) == ("auto", "l2", "float16")
    assert built["drop_missing"] is True
    assert (trained["settings"]["epochs"], trained["settings"]["seed"]) == (3, 5)


def test_migrate_names_an_engine(fake, ise, services):
    report = {"images": 256, "different": 0}
    fake.steps = [services.job(state="succeeded", result={"engine": "milvus", "report": report})]
    done = ise("migrate", "--to", "milvus")
    assert done.code == 0
    assert fake.asked[-1] == ("migrate", {"to": "milvus", "sample": 256})
    assert "different" in done.out


def test_reembed_names_an_embedder(fake, ise):
    fake.steps = fake.steps[-1:]
    assert ise("reembed", "--embedder", "http://gpu:8002", "--drop-missing").code == 0
    [(name, asked)] = fake.asked
    assert (name, asked["embedder"]) == ("reembed", "http://gpu:8002")
    assert asked["build"]["drop_missing"] is True


def test_another_profile_is_not_begun_without_a_word_of_the_user(fake, ise):
    done = ise("reembed", "--profile", "lite")
    assert (done.code, fake.asked) == (1, [])
    assert "add --yes" in done.err
    both = ise("reembed", "--profile", "lite", "--embedder", "http://gpu:8002", "--yes")
    assert (both.code, fake.asked) == (1, [])
    assert "not both" in both.err


@pytest.mark.parametrize("clusters", ["0", "-1", "many", "1000001", "²"])
def test_clusters_are_auto_or_a_number(fake, ise, clusters):
    done = ise("build", "--clusters", clusters)
    assert done.code == 1
    assert "--clusters takes auto or a number" in done.err


def test_jobs(fake, ise, services):
    listed = ise("jobs").out
    assert "The disk is full." in listed
    assert "running" in listed
    assert ise("jobs", "7", "--json").json["state"] == "running"
    assert ise("jobs", "7", "--cancel", "--json").json["state"] == "cancelled"
    fake.failures = [Failure(path=f"p{n}.jpg", reason="broken") for n in range(30)]
    assert "p29.jpg" in ise("jobs", "7", "--failures").out
    assert ise("jobs", "8").err == "There is no job 8.\n"
    assert ise("jobs", "--cancel").code == 1


def test_snapshots(fake, ise):
    assert "1,234" in ise("snapshots").out
    assert ise("snapshots", "--activate", "3", "--json").json["snapshots"][0]["number"] == 3


def test_stats(fake, ise):
    shown = [line.split() for line in ise("stats").out.splitlines()]
    assert ["images", "1,234"] in shown
    # A line for each recall that was reached, whatever the number of points measured.
    assert [line for line in shown if line[:1] == ["visual"]] == [
        ["visual", recall, "10", "3", "25.0%"] for recall in ("0.9", "0.95")
    ]
    assert len(shown) < 15
    assert ise("stats", "--json").json["images"] == 1234


def test_ctrl_c_while_waiting_says_that_the_job_goes_on(fake):
    fake.steps = fake.steps[:1]
    with subprocess.Popen(
        [sys.executable, "-m", "shared.cli.main", "build"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stderr.readline() == "reading: 0/40\n"
        command.send_signal(signal.SIGINT)
        _, told = command.communicate(timeout=60)
    assert command.returncode == 130
    # The last line: one that the signal cuts short may come twice.
    assert told.splitlines()[-1] == (
        "Job 7 continues. `ise jobs 7` shows its progress; `ise jobs 7 --cancel` cancels it."
    )


def test_a_training_is_told_without_the_points_of_its_curves():
    report = {"epochs": 3, "calibration": [{"scores": [0.1, 0.2]}]}
    one = Job.model_validate(
        {
            "id": "7",
            "kind": "train",
            "state": "succeeded",
            "created_at": "2025-01-02T03:04:05Z",
            "progress": {},
            "result": {"report": report},
        }
    )
    shown = str(job_result(one, verbose=True))
    assert "epochs  3" in shown
    assert "scores" not in shown


LEARNT = {
    "embedded": 84,
    "already_there": 0,
    "failed": 2,
    "skipped": {"system": 0},
    "snapshot": 2,
    "images": 90,
    "clusters": 2,
    "network": "match-1",
    "report": {"terms": 9, "terms_without_word": ["bonsai"], "losses": [0.5], "held_out_loss": 0.1},
    "untrained_tags": 0,
}


@pytest.mark.parametrize("command", [("ingest", "photos"), ("jobs", "7")])
def test_a_person_is_told_what_came_of_a_job_and_its_figures_on_demand(
    fake, ise, services, command
):
    fake.steps = [services.job(state="succeeded", result=LEARNT)]
    told = ise(*command).out
    words = " ".join(told.split())
    assert "pictures added 84" in words
    assert "could not be read 2" in words
    assert "words learnt 9 words unknown to the model bonsai" in words
    for figure in ("loss", "network", "snapshot", "clusters", "skipped", "there already"):
        assert figure not in told.partition("pictures added")[2]
    fake.steps = [services.job(state="succeeded", result=LEARNT)]
    every = ise(*command, "--verbose").out
    assert "held out loss" in every
    assert "match-1" in every


def test_scores_of_probabilities_are_told_on_demand(fake, ise):
    assert "Brier" not in ise("stats").out
    assert "Brier" in ise("stats", "--verbose").out
