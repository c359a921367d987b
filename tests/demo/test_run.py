"""The demo over processes that answer by the contract; the real services are tests/e2e's."""

import fcntl
import io
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from demo.data_folder import Place
from demo.run import is_first, local_settings, main, run, source_of, verdict
from shared.cli.group import ServiceEnded, ServiceGroup
from shared.cli.service import NAMES, Service
from shared.contracts.answer import Hit, Recall, SearchResponse
from shared.core.errors import ISEError, Misconfigured
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
FAKE = ROOT / "tests" / "cli" / "fake_services.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures, as far as the stand-ins look at them."""
    made = tmp_path / "photos" / "cats"
    made.mkdir(parents=True)
    for n in range(7):
        (made / f"{n}.jpg").write_bytes(b"picture %d" % n)
    return made.parent


def group_of(**env: str) -> ServiceGroup:
    services = []
    for name in NAMES:
        port = free_port()
        services.append(Service(name, (sys.executable, str(FAKE), str(port)), "127.0.0.1", port))
    return ServiceGroup(services, env={"PYTHONPATH": str(ROOT), **env})


def toured(group: ServiceGroup, folder: Path) -> str:
    screen = io.StringIO()
    run(group, folder, drawn=True, key=None, out=Console(file=screen, width=200))
    return screen.getvalue()


def test_shows_both_tables_and_how_right_they_are(folder):
    told = toured(group_of(), folder)
    lines = [line.split() for line in told.splitlines()]
    by_image, by_term = told.index("Search by image"), told.index("Search by term")
    assert by_image < told.index("[red]0.jpg (image)") < by_term
    # The most frequent tag comes first; the last search is by a word that no image carries.
    assert by_term < told.index("dog (tag)") < told.index("cat (tag)") < told.index("(semantic)")
    assert ["ship", "(semantic)", "1", "1.000", "75%", "cat", "photos/[red]0.jpg"] in lines
    assert (
        "Expected recall: 0.970. Each of 3 pictures is its own first hit. "
        "Of the hits after it, 100% share a tag with it. Of the hits by tag, 100% carry the tag."
    ) in told


def test_a_picture_that_is_not_its_own_first_hit_fails_the_demo(folder):
    with pytest.raises(ISEError, match=r"\[red\]0\.jpg is in the collection, but it isn't its own"):
        toured(group_of(FAKE_WRONG="1"), folder)


def test_pictures_that_could_not_be_taken_in_are_listed_with_the_reason(folder):
    assert "could not be taken in" not in toured(group_of(), folder)
    told = toured(group_of(FAKE_BROKEN="23"), folder)
    lines = [" ".join(line.split()) for line in told.splitlines()]
    assert "23 pictures could not be taken in." in lines
    assert lines.count("And 3 more.") == 1
    assert "cats/19.jpg It is empty." in lines
    assert "cats/20.jpg" not in told


def test_words_that_nothing_knows_do_not_end_the_demo(folder):
    told = toured(group_of(FAKE_WORDLESS="1"), folder)
    assert "None of these words finds anything by meaning: ship, kitten" in told
    assert "dog (tag)" in told
    assert "(semantic)" not in told


def test_among_hits_that_score_alike_any_place_is_the_first():
    hits = [
        hit().model_copy(update={"id": i, "score": s})
        for i, s in zip("abc", (1, 1, 0.9), strict=True)
    ]
    assert [is_first(name, hits) for name in "abcd"] == [True, True, False, False]


def test_a_service_that_ends_is_what_is_told(folder):
    group = group_of()
    broken = Service("query", (sys.executable, "-c", "exit(4)"), "127.0.0.1", free_port())
    group.services = (*group.services[:2], broken)
    with pytest.raises(ServiceEnded, match="The query exited with code 4"):
        toured(group, folder)
    assert group.pids() == {}


def hit(*tags: str) -> Hit:
    return Hit(
        id="x", score=1, relevance=1, distance=0, tags=list(tags), uri="u", uris=[], metadata={}
    )


def answer(expected: float | None, *hits: Hit) -> SearchResponse:
    return SearchResponse(
        **{"limit": 9, "offset": 0, "complete": True, "mode": "tag", "metric": "cosine"},
        **{"snapshot": 1, "version": "1.0", "model": None, "timings_ms": {}, "hits": list(hits)},
        recall=Recall(
            target=0.95, expected=expected, nprobe=1, clusters=1, scanned_fraction=1, reranked=9
        ),
    )


def test_the_verdict_counts():
    by_image = [
        ("a.jpg", answer(0.9, hit("cat", "sea"), hit("Sea"), hit("dog"), hit(), hit("cat")))
    ]
    by_term = [("Cat", answer(1.0, hit("cat"), hit("dog"), hit("cat", "dog")))]
    assert verdict(by_image, by_term) == (
        "Expected recall: 0.950. Each of 1 pictures is its own first hit. "
        "Of the hits after it, 50% share a tag with it. Of the hits by tag, 67% carry the tag."
    )


def test_the_verdict_says_nothing_of_what_is_not_known():
    by_image = [("a.jpg", answer(None, hit(), hit()))]
    assert verdict(by_image, []) == "Each of 1 pictures is its own first hit."


def test_takes_free_ports_where_the_usual_ones_are_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ISE_INDEXER_URL", "http://elsewhere:1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        free = free_port()
        monkeypatch.setenv("ISE_QUERY_PORT", str(port))
        monkeypatch.setenv("ISE_INDEXER_PORT", str(free))
        settings = local_settings(tmp_path / "data")
    assert settings.query_port != port
    assert settings.url_of("indexer") == f"http://127.0.0.1:{free}"
    assert (settings.host, settings.data_dir) == ("127.0.0.1", tmp_path / "data")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("empty", "There are no pictures in empty."),
        ("~/hidden", "There are no pictures in ~/hidden."),
        ("mistyped", "{here}/mistyped doesn't exist."),
        ("data-demo/sample", "data-demo/sample lies in data-demo, which the demo empties."),
    ],
)
def test_what_cannot_be_taken_in_is_one_sentence(given, sentence, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "empty").mkdir()
    (tmp_path / "beside.jpg").touch()
    (tmp_path / "hidden" / ".thumbnails").mkdir(parents=True)
    (tmp_path / "hidden" / "._x.jpg").touch()
    (tmp_path / "hidden" / ".thumbnails" / "x.jpg").touch()
    with Place(tmp_path / "data-demo") as place:
        place.sample.mkdir()
        (place.sample / "x.jpg").touch()
    assert main(["--images", given]) == 1
    assert capsys.readouterr().err == f"{sentence.format(here=tmp_path)}\n"
    assert (tmp_path / "data-demo" / "sample" / "x.jpg").exists()


def test_a_home_and_every_kind_that_is_taken_in_are_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "1.TIFF").touch()
    assert source_of(Path("~/scans")) == tmp_path / "scans"


def fill(folder: Path) -> None:
    for name in ("features/m/0.npy", "snapshots/CURRENT", "catalog.sqlite", ".lock"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_the_next_demo_replaces_what_one_left(tmp_path):
    with Place.beside(tmp_path / "data") as first:
        fill(first.folder)
    (first.folder / "catalog.sqlite-wal").touch()  # It was served, and looked at.
    (first.folder / "images" / "thumbnails").mkdir(parents=True)
    (first.folder / "images" / "thumbnails" / "x").touch()
    with Place.beside(tmp_path / "data") as second:
        assert second.folder == first.folder
        assert list(second.folder.iterdir()) == []


@pytest.mark.parametrize("own", ["features/m/1.npy", "images/uploads/x", "notes.txt", "a/b.jpg"])
def test_what_a_user_added_is_never_replaced(tmp_path, own):
    with Place.beside(tmp_path / "data") as place:
        fill(place.folder)
    (place.folder / own).parent.mkdir(parents=True, exist_ok=True)
    (place.folder / own).touch()
    with Place.beside(tmp_path / "data") as other:
        assert other.folder == tmp_path / "data-demo"
    assert (place.folder / own).exists()
    (other.folder / "mine").touch()
    with pytest.raises(Misconfigured, match="make demo DATA=folder"):
        Place.beside(tmp_path / "data")


def test_a_folder_that_no_demo_made_is_never_replaced(tmp_path):
    fill(tmp_path / "data")
    assert Place.beside(tmp_path / "data").folder == tmp_path / "data-demo"


def test_a_folder_that_is_being_served_is_not_emptied(tmp_path):
    with Place.beside(tmp_path / "data") as place:
        fill(place.folder)
    with (place.folder / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Misconfigured, match="End `make run` first"), place:
            pass
    assert (place.folder / "features" / "m" / "0.npy").exists()


def test_a_failure_names_the_logs(folder, tmp_path):
    """Stand-ins for the services that end at once, by way of the real command lines."""
    # The demo reads its folder as the indexer does.
    shutil.copytree(ROOT / "services" / "indexer", tmp_path / "services" / "indexer")
    (tmp_path / "services" / "__init__.py").touch()
    for name in NAMES:
        module = "indexer/__main__" if name == "indexer" else name
        (tmp_path / "services" / f"{module}.py").write_text("raise SystemExit('no weights')")
    done = subprocess.run(
        [sys.executable, "-m", "demo.run", "--images", str(folder), "--data", "here/data"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "exited with code 1.\n  no weights\n" in done.stderr
    (logs,) = tmp_path.glob("ise-demo-*")
    assert f"The services' logs are in {logs}." in done.stdout
    assert {path.name for path in logs.iterdir()} == {f"{name}.log" for name in NAMES}
    assert [path.name for path in (tmp_path / "here" / "data").iterdir()] == [".demo"]
