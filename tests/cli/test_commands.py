"""The commands against services that answer by the contract."""

import base64
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from shared.cli import tables
from shared.contracts.answer import SearchResponse
from shared.contracts.jobs import Failure, Job

ROOT = Path(__file__).parents[2]


def test_search_by_term_shows_hits_and_how_right_they_are(fake, ise):
    done = ise("search", "--term", "cat", "--limit", "5", "--nprobe", "3")
    assert done.code == 0
    header, *rows = [line.split() for line in done.out.splitlines() if line.strip()]
    assert header == ["rank", "score", "probability", "tags", "uri", "id"]
    assert ["1", "1.000", "75%", "cat", "photos/[red]0.jpg", "x"] in rows
    assert (
        "mode tag, metric cosine, snapshot 4, every image with this tag was ranked, "
        "expected recall 0.970; ms: embed 1.5, total 2.2" in done.out
    )
    assert "semantic, metric cosine, snapshot 4, 3 clusters probed, 25.0% scanned, expected" in (
        ise("search", "--term", "zebra").out
    )
    assert fake.asked[0] == ("term", {"term": "cat", "limit": "5", "offset": "0", "nprobe": "3"})


def test_search_leaves_out_a_probability_that_no_hit_has(fake, ise):
    fake.probability = None
    assert "probability" not in ise("search", "--term", "cat").out


def test_search_by_image_uploads_it(fake, ise, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"picture")
    done = ise("search", "--image", "a.jpg", "--metric", "l2", "--exact")
    assert hashlib.sha256(b"picture").hexdigest() in done.out
    assert fake.asked == [
        ("image", {"limit": "10", "offset": "0", "metric": "l2", "exact": "true"})
    ]


def test_search_by_id(fake, ise):
    assert ise("search", "--id", "a1", "--recall-target", "0.9").code == 0
    assert fake.asked == [("search", {"id": "a1", "limit": 10, "offset": 0, "recall_target": 0.9})]


def test_search_by_several_sends_parts_with_their_weights(fake, ise, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"picture")
    (tmp_path / "b^2").write_bytes(b"other")
    typed = ["--image", "a.jpg^0.5", "--image", "b^2", "--term", "night sky^2", "--id", "x"]
    away = ["--exclude", "garden", "--exclude-id", "y^0.25", "--exclude-image", "a.jpg"]
    assert ise("search", *typed, *away, "--min-probability", "0.5").code == 0
    ((kind, body),) = fake.asked
    picture, other = (base64.b64encode(data).decode() for data in (b"picture", b"other"))
    assert (kind, body["min_probability"]) == ("search", 0.5)
    assert body["parts"] == [
        {"image": picture, "weight": 0.5},
        {"image": other, "weight": 1},
        {"term": "night sky", "weight": 2},
        {"id": "x", "weight": 1},
        {"image": picture, "weight": -1},
        {"term": "garden", "weight": -1},
        {"id": "y", "weight": -0.25},
    ]


@pytest.mark.parametrize(
    ("hits", "below", "sentence"),
    [
        (0, 10, "No match is confident: 10 hits lie below what was asked for."),
        (2, 1, "1 hit lies below what was asked for."),
    ],
)
def test_search_says_how_many_hits_are_below_a_cut_off(fake, ise, hits, below, sentence):
    fake.hits, fake.below = hits, below
    assert sentence in ise("search", "--term", "cat", "--min-probability", "0.9").err


def test_search_with_conditions_sends_one_filter(fake, ise):
    typed = ["--tag", "a b", "--where", "year>=1999", "--where", "author = Ann", "--where", "n!=1"]
    given = '{"should": [{"tag": "x"}]}'
    assert ise("search", "--id", "a1", *typed, "--filter", given, "--cursor", "c").code == 0
    wanted = {
        "must": [
            {"tag": "a b"},
            {"key": "year", "gte": 1999},
            {"key": "author", "match": "Ann"},
            {"should": [{"tag": "x"}]},
        ],
        "must_not": [{"key": "n", "match": 1}],
    }
    assert fake.asked == [
        ("search", {"id": "a1", "limit": 10, "offset": 0, "cursor": "c", "filter": wanted})
    ]
    assert ise("search", "--term", "cat", "--where", "a<b").code == 0
    assert json.loads(fake.asked[1][1]["filter"])["must"] == [{"key": "a", "lt": "b"}]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--where", "year"], "--where 'year' can't be read; write a key"),
        (["--filter", "{"], "--filter: The filter is not JSON"),
        (
            ["--filter", '{"musst": []}'],
            "--filter: `musst` is not a field of this request; did you mean `must`?",
        ),
    ],
)
def test_conditions_that_make_no_sense_are_not_sent(fake, ise, typed, said):
    done = ise("search", "--term", "cat", *typed)
    assert done.code != 0
    assert said in " ".join((done.out + done.err).split())
    assert fake.asked == []


def test_ids_stay_in_one_piece_on_a_narrow_screen(fake, services):
    answer = fake.answer("d0ed203b490efa13b89928e082c3728f", "tag", ["a tag of some length"])
    for table in (
        tables.hits(answer),
        tables.jobs([services.job("32ecbc1412174aec91d90d77d2665e5b")]),
    ):
        screen = Console(width=70, file=io.StringIO())
        screen.print(table)
        assert re.search(r"\b[0-9a-f]{32}\b", screen.file.getvalue())


def test_search_as_json_is_the_answer_of_the_service(fake, ise):
    done = ise("search", "--term", "cat", "--json")
    assert SearchResponse.model_validate(done.json) == fake.answer("x", "tag", ["cat"])
    assert done.err == ""


def test_search_that_finds_nothing_says_so(fake, ise):
    fake.hits = 0
    done = ise("search", "--term", "cat")
    assert done.out.startswith("Nothing was found.")
    assert "--exact" in done.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Give at least one of --image, --term and --id to search by."),
        (["--exclude", "cat"], "Give at least one of --image, --term and --id to search by."),
        (["--term", "cat^-1"], "Give at least one of --image, --term and --id to search by."),
        (["--term", "cat", "--nprobe", "1", "--exact"], "Give one of --nprobe,"),
        (["--image", "missing.jpg"], "{here}/missing.jpg: No such file or directory."),
    ],
)
def test_a_search_that_makes_no_sense_is_not_sent(fake, ise, tmp_path, arguments, sentence):
    done = ise("search", *arguments)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(sentence.format(here=tmp_path))
    assert done.err.count("\n") == 1
    assert fake.asked == []


def test_an_error_of_a_service_is_one_sentence(fake, ise, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"broken")
    done = ise("search", "--image", "a.jpg")
    assert (done.code, done.out, done.err) == (1, "", "The picture can't be decoded.\n")


def test_an_error_as_json_is_its_problem_document(fake, ise, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"broken")
    done = ise("search", "--image", "a.jpg", "--json")
    told = json.loads(done.err)
    assert (done.code, done.out) == (1, "")
    assert (told["type"], told["status"]) == ("urn:ise:problem:bad-image", 422)


def test_no_service_no_traceback(ise, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ISE_QUERY_URL", "http://127.0.0.1:9")
    done = ise("stats")
    assert done.code == 1
    assert "Nothing answers at http://127.0.0.1:9" in done.err


def test_a_setting_that_cant_be_used_is_named(ise, monkeypatch):
    monkeypatch.setenv("ISE_QUERY_PORT", "many")
    done = ise("stats")
    assert done.code == 1
    assert "ISE_QUERY_PORT: must be a whole number." in done.err


def test_a_typing_slip_in_a_setting_is_told_of(fake, ise, monkeypatch):
    monkeypatch.setenv("ISE_API_KEYS", "x")
    monkeypatch.setenv("ISE_BACKBONE", "x")  # Another process's, of which this one knows nothing.
    slip = "ISE_API_KEYS is not a setting; did you mean ISE_API_KEY?"
    assert ise("stats").err == f"{slip}\n"
    assert ise("stats", "--json").err == ""


def test_an_answer_of_another_version_is_no_traceback(fake, ise, monkeypatch):
    monkeypatch.setenv("ISE_QUERY_URL", os.environ["ISE_QUERY_URL"] + "/v1/jobs/7/failures?")
    done = ise("stats")
    assert done.code == 1
    assert "one version" in done.err


def test_a_mistake_of_our_own_is_no_traceback(fake, ise, monkeypatch):
    def fails(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("shared.cli.tables.stats", fails)
    done = ise("stats")
    assert done.code == 1
    assert "a mistake in ise itself: KeyError" in done.err


def test_the_key_is_sent(fake, ise, monkeypatch):
    monkeypatch.setenv("ISE_API_KEY", "s3cret")
    ise("search", "--term", "cat")
    assert fake.asked[1] == ("authorization", "Bearer s3cret")


def test_ingest_sends_an_absolute_path_and_waits(fake, ise, services, tmp_path):
    fake.steps = [
        services.job(state="queued"),
        services.job(progress={"done": 10}),
        services.job(state="succeeded", progress={"done": 40}, result={"added": 40}),
    ]
    done = ise("ingest", "photos", "--tags-from", "none", "--clusters", "8", "--no-build")
    assert done.code == 0
    wanted = {"source": str(tmp_path / "photos"), "tags_from": "none", "build": False}
    plain = {"sync": False, "dry_run": False, "force": False}
    assert fake.asked == [("ingest", {**wanted, **plain, "clusters": 8})]
    assert done.out.split() == ["added", "40"]
    # A line for each stage, and the last figures; those between come every few seconds.
    assert done.err.splitlines() == [
        "queued: 0/40",
        "reading: 10/40",
        "reading: 40/40",
        "Job 7 is done.",
    ]


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


def test_reembed_names_an_embedder(fake, ise):
    fake.steps = fake.steps[-1:]
    assert ise("reembed", "--embedder", "http://gpu:8002", "--drop-missing").code == 0
    [(name, asked)] = fake.asked
    assert (name, asked["embedder"]) == ("reembed", "http://gpu:8002")
    assert asked["build"]["drop_missing"] is True


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


def test_add_sends_in_batches_and_tells_of_each(fake, ise, tmp_path):
    for n in range(150):
        (tmp_path / f"{n:03}.jpg").write_bytes(b"broken" if n == 7 else b"picture")
    done = ise("add", *sorted(p.name for p in tmp_path.iterdir()), "gone.jpg", "--tags", "a, b,")
    assert done.code == 1
    assert fake.asked == [("add", (100, "a,b")), ("add", (50, "a,b"))]
    assert "failed  -  007.jpg: It can't be decoded." in done.out
    gone = f"failed  -  gone.jpg: No such file or directory: {tmp_path / 'gone.jpg'}"
    assert gone in done.out.splitlines()
    assert done.err == "149 added, 0 were there already, 2 failed.\n"


def test_add_as_json(fake, ise, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"picture")
    done = ise("add", "a.jpg", "--json")
    item = {"name": "a.jpg", "id": "a1", "state": "added", "error": None}
    assert (done.code, done.json) == (0, {"items": [item], "snapshot": 5})


def test_rm_goes_on_after_an_unknown_id(fake, ise):
    done = ise("rm", "absent", "a1")
    assert done.code == 1
    assert done.err == "There is no image absent.\n1 deleted.\n"
    assert ise("rm", "a1", "--json").json == {"deleted": ["a1"], "unknown": []}


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
        "Job 7 goes on. `ise jobs 7` shows it; `ise jobs 7 --cancel` ends it."
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
    shown = str(tables.job_result(one))
    assert "epochs  3" in shown
    assert "scores" not in shown
