"""The demo over processes that answer by the contract; the real services are tests/e2e's."""

import io
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from demo.run import local_settings, main, pictures_of, run, spread, verdict
from shared.cli.group import ServiceEnded, ServiceGroup
from shared.cli.service import NAMES, Service, free_port
from shared.contracts.query import Hit, Recall, SearchResponse
from shared.errors import InvalidInput, ISEError

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
    assert by_image < told.index("4.jpg (image)") < by_term
    # The most frequent tag comes first; the last search is by a word that no image carries.
    assert by_term < told.index("dog (tag)") < told.index("cat (tag)") < told.index("(semantic)")
    assert ["ship", "(semantic)", "1", "1.000", "75%", "cat", "photos/[red]0.jpg"] in lines
    assert (
        "Expected recall: 0.970. Each of 3 pictures is its own first hit. "
        "Of the hits after it, 100% share a tag with it. Of the hits by tag, 100% carry the tag."
    ) in told


def test_a_picture_that_is_not_its_own_first_hit_fails_the_demo(folder):
    with pytest.raises(ISEError, match=r"0\.jpg is in the collection, but it isn't its own"):
        toured(group_of(FAKE_WRONG="1"), folder)


def test_a_service_that_ends_is_what_is_told(folder):
    group = group_of()
    broken = Service("query", (sys.executable, "-c", "exit(4)"), "127.0.0.1", free_port())
    group.services = (*group.services[:2], broken)
    with pytest.raises(ServiceEnded, match="The query ended by itself with exit code 4"):
        toured(group, folder)
    assert group.pids() == {}


def hit(*tags: str) -> Hit:
    return Hit(id="x", score=1, distance=0, tags=list(tags), uri="u", uris=[], metadata={})


def answer(expected: float | None, *hits: Hit) -> SearchResponse:
    return SearchResponse(
        **{"limit": 9, "offset": 0, "complete": True, "mode": "tag", "metric": "cosine"},
        **{"snapshot": 1, "model": None, "timings_ms": {}, "hits": list(hits)},
        recall=Recall(target=0.95, expected=expected, nprobe=1, scanned_fraction=1),
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


def test_pictures_come_from_all_over_and_never_one_that_was_refused(folder):
    found = pictures_of(folder)
    assert [path.name for path in spread(found, set())] == ["0.jpg", "2.jpg", "4.jpg"]
    assert [path.name for path in spread(found, {"0.jpg", "2.jpg"})] == ["1.jpg", "3.jpg", "5.jpg"]
    assert spread(found[:2], set()) == found[:2]
    with pytest.raises(InvalidInput):
        spread(found[:1], {"0.jpg"})


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


def test_a_folder_without_pictures_is_one_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main(["--images", "empty"]) == 1
    assert capsys.readouterr().err == "There are no pictures in empty.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_failure_names_the_logs(folder, tmp_path, monkeypatch):
    """Stand-ins for the services that end at once, by way of the real command lines."""
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "__init__.py").touch()
    for name in NAMES:
        (tmp_path / "services" / f"{name}.py").write_text("raise SystemExit('no weights')")
    done = subprocess.run(
        [sys.executable, "-m", "demo.run", "--images", str(folder), "--data", "here/data"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "ended by itself with exit code 1.\n  no weights\n" in done.stderr
    assert f"The services' logs are in {tmp_path / 'here' / '.demo' / 'logs'}." in done.stdout
    assert not (tmp_path / "here" / "data").exists()
