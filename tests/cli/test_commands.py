"""The commands against services that answer by the contract."""

import base64
import hashlib
import io
import json
import os
import re
import socket
import threading

import pytest
from rich.console import Console

from shared.cli import tables
from shared.contracts.answer import SearchResponse


def test_search_by_term_shows_hits_and_how_right_they_are(fake, ise):
    done = ise("search", "--term", "cat", "--limit", "5", "--nprobe", "3")
    assert done.code == 0
    header, *rows = [line.split() for line in done.out.splitlines() if line.strip()]
    assert header == ["rank", "relevance", "probability", "tags", "uri", "id"]
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
        (0, 10, "No match is confident: 10 hits lie below the threshold."),
        (2, 1, "1 hit lies below the threshold."),
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
    ("typed", "value"),
    [
        ('post="0123"', "0123"),
        ("post=0123", "0123"),
        ("post=1234567890123456789", 1234567890123456789),
        ('post="1234567890123456789"', "1234567890123456789"),
        ("post=NaN", "NaN"),
        ("post=1e999", "1e999"),
        ('post="half', '"half'),
        ("post=true", True),
        ('post="true"', "true"),
    ],
)
def test_a_quoted_condition_asks_for_the_text_and_a_number_keeps_its_digits(
    fake, ise, typed, value
):
    assert ise("search", "--id", "a1", "--where", typed).code == 0
    [(_, asked)] = fake.asked
    assert asked["filter"]["must"] == [{"key": "post", "match": value}]


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
        (["--term", "cat", "--nprobe", "1", "--exact"], "Give only one of --nprobe,"),
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


@pytest.mark.parametrize(
    "command",
    [
        ("ingest", "photos"),
        pytest.param(("ingest", "photos", "--sync"), marks=pytest.mark.slow),
        ("add", "a.jpg"),
        pytest.param(("reembed",), marks=pytest.mark.slow),
        ("build",),
        pytest.param(("train-matching",), marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_what_needs_the_embedder_says_at_once_that_it_is_down(fake, ise, tmp_path, command):
    fake.missing = {"embedder": "away"}
    (tmp_path / "a.jpg").write_bytes(b"x")
    done = ise(*command)
    assert (done.code, done.out, fake.asked) == (1, "", [])
    assert done.err == (
        "The embedder is not running, and this can't be done without it. `ise up` starts all "
        "three services.\n"
    )


@pytest.mark.parametrize("state", ["starting", "slow"])
def test_a_job_waits_for_an_embedder_that_is_starting(fake, ise, state):
    fake.missing = {"embedder": state}
    assert ise("ingest", "photos").code == 0


def test_ise_asks_where_ise_host_says_that_the_services_listen(ise, monkeypatch, tmp_path):
    if not socket.has_ipv6:
        pytest.skip("needs IPv6")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ISE_HOST", "::1")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        monkeypatch.setenv("ISE_QUERY_PORT", str(server.getsockname()[1]))

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        done = ise("stats")
        thread.join()
    assert "http://[::1]:" in done.err
    assert "418" in done.err


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
    assert "same version" in done.err


def test_a_mistake_of_our_own_is_no_traceback(fake, ise, monkeypatch):
    def fails(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("shared.cli.tables.stats", fails)
    done = ise("stats")
    assert done.code == 1
    assert "a bug in ise: KeyError" in done.err


def test_the_key_is_sent(fake, ise, monkeypatch):
    monkeypatch.setenv("ISE_API_KEY", "s3cret")
    ise("search", "--term", "cat")
    assert fake.asked[1] == ("authorization", "Bearer s3cret")


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
    item = {"name": "a.jpg", "id": "a1", "state": "added", "error": None, "note": None}
    assert (done.code, done.json) == (0, {"items": [item], "snapshot": 5})


def test_rm_goes_on_after_an_unknown_id(fake, ise):
    done = ise("rm", "absent", "a1")
    assert done.code == 1
    assert done.err == "There is no image absent.\n1 deleted.\n"
    assert ise("rm", "a1", "--json").json == {"deleted": ["a1"], "unknown": []}


def test_an_audit_of_tags_takes_no_options_of_a_list(ise, fake):
    done = ise("tags", "--audit", "wrong", "--prefix", "a")
    assert done.code == 1
    assert "--audit goes with --limit alone" in done.err
