"""The harness from end to end, small: what it says of recall, and what it writes."""

import json

import numpy as np
import pytest

from benchmarks import collection, features, harness, results
from benchmarks.contenders import contender_named
from benchmarks.contenders.contender import Place
from benchmarks.sweep import Sweep
from benchmarks.worker import Start, Worker

pytestmark = pytest.mark.slow

ROWS, DIM = 12_000, 24
RULES = harness.Rules(rounds=2, block=10, queries=40)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return collection.generated(tmp_path_factory.mktemp("bench"), ROWS, DIM, queries=60)


@pytest.fixture(scope="module")
def found(small):
    names = ["ours", "ours-http-id", "faiss-ivfflat", "faiss-ondisk", "faiss-rabitq"]
    return harness.compare(small, small.folder.parent / "built", names, RULES)


def test_queries_are_held_out_of_one_draw(small):
    drawn = np.concatenate(list(features.chunks(ROWS + 60, DIM)))
    np.testing.assert_array_equal(small.base, drawn[:ROWS])
    np.testing.assert_array_equal(small.queries, drawn[ROWS:])
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 1, rtol=1e-5)


def test_every_contender_reaches_what_it_is_timed_at(found):
    for name, entry in found["contenders"].items():
        for target in ("0.95", "0.99"):
            assert entry["needed"][target]["recall"] >= float(target), name
            assert len(entry["at"][target]["rounds_ms"]) == RULES.rounds


def test_the_same_lists_in_memory_and_on_disk_give_the_same_recall(found):
    flat, disk = (found["contenders"][name] for name in ("faiss-ivfflat", "faiss-ondisk"))
    for target in ("0.95", "0.99"):
        for figure in ("setting", "recall"):
            assert flat["needed"][target][figure] == disk["needed"][target][figure]


def test_all_lists_are_the_exact_answer(small, found):
    place = Place(small, small.folder.parent / "built" / small.name)
    with Worker(Start("ours", harness.processors()[:1])) as worker:
        last = worker.call("open", place=place)[0][-1]
        assert last["nprobe"] == found["clusters"]
        assert Sweep(worker, small, 10, queries=60, own=False).measure(last).recall == 1


def test_a_contender_without_its_library_is_left_out_with_the_reason(
    monkeypatch, tmp_path, small, found
):
    (tmp_path / "hnswlib.py").write_text("raise ImportError('not built here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    again = harness.compare(small, small.folder.parent / "built", ["hnswlib"], RULES)
    assert again["contenders"]["hnswlib"] == {"left_out": "ImportError: not built here"}
    assert again["contenders"]["ours"]["at"].keys() == {"0.95", "0.99"}


def test_a_result_says_what_it_was_measured_on(tmp_path, found):
    path = results.write(tmp_path, "search-small", found)
    (tmp_path / results.SUMMARY).write_text('{"scale": {"rows": 1}}')
    summary = results.summarize(tmp_path)
    assert set(summary) == {"scale", "search-small"}
    assert json.loads(path.read_text())["machine"]["packages"]["faiss-cpu"]


def test_ours_takes_the_setting_that_was_measured_for_a_recall(small, found):
    ours = contender_named("ours")
    ours.open(Place(small, small.folder.parent / "built" / small.name))
    planned = [ours.planned(target, 10) for target in (0.8, 0.95, 0.99)]
    settings = [setting for ladder in ours.ladders() for setting in ladder]
    assert all(setting in settings for setting in planned)
    assert planned[0] != planned[-1]
