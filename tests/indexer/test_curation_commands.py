"""`ise show tag tags duplicates undo trash facts`, against the real services."""

import json

import pytest

from shared.cli.main import main
from shared.clients import query


@pytest.fixture
def ise(service, monkeypatch, capsys, tmp_path):
    """Runs a command; gives its exit code and what it printed, as JSON with `--json`."""
    service.ask(query.get_stats())
    monkeypatch.setenv("ISE_INDEXER_URL", service.url)
    monkeypatch.setenv("ISE_QUERY_URL", service.query_url)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capsys.readouterr()
        code = main(arguments)
        out = capsys.readouterr().out
        return code, json.loads(out) if "--json" in arguments else out

    return run


def test_a_picture_is_shown_tagged_deleted_restored_and_each_is_undone(service, ise, picture):
    first, second = (item.id for item in service.add(picture(0), picture(1), tags=["dog"]))
    code, told = ise("show", first, "--json")
    assert (code, told["tags"], told["file"]["width"]) == (0, ["dog"], 48)
    assert "48" in ise("show", first)[1]
    assert ise("show", "nothing")[0] == 1

    code, changed = ise("tag", first, second, "--add", "a,b", "--remove", "dog", "--json")
    assert (code, changed["changed"]) == (0, 2)
    _, listed = ise("tags", "--json")
    assert {one["tag"]: one["count"] for one in listed["tags"]} == {"a": 2, "b": 2}
    assert ise("undo", changed["undo"], "--json")[1]["changed"] == 2
    assert ise("undo", changed["undo"])[0] == 1

    wanted = '{"must": [{"tag": "dog"}]}'
    assert ise("tag", "--filter", wanted, "--add", "cat", "--json")[1]["changed"] == 2
    code, renamed = ise("tag", "--rename", "cat", "--to", "Cat", "--json")
    assert (code, renamed["changed"]) == (0, 2)
    assert f"ise undo {renamed['undo']}" not in ise("undo", renamed["undo"])[1]

    assert ise("rm", first)[0] == 0
    assert [one["id"] for one in ise("trash", "--json")[1]["images"]] == [first]
    assert first in ise("trash")[1]
    assert ise("trash", "--restore", first, "--json")[1]["restored"] == [first]
    assert ise("trash", "--restore", first)[0] == 1
    assert ise("trash")[1] == "The trash is empty.\n"
    ise("rm", first, second)
    assert ise("trash", "--empty")[1] == "2 deleted for good.\n"


def test_an_ingest_is_undone_by_its_id(service, ise, folder_of):
    job = service.ingest(folder_of({"a.png": 1, "b.png": 2}))
    code, done = ise("undo", job.id, "--json")
    assert (code, done["result"]["trashed"]) == (0, 2)
    assert ise("undo", job.id)[0] == 1


def test_facts_are_read_and_duplicates_are_listed(service, ise, picture):
    service.add(picture(0), ("same.png", picture(0, size=(96, 72))), picture(5))
    code, done = ise("facts", "--again", "--json")
    assert (code, done["result"]["read"]) == (0, 3)
    _, found = ise("duplicates", "--json")
    assert [len(group) for group in found["groups"]] == [2]
    assert "same.png" in ise("duplicates")[1]


@pytest.mark.parametrize(
    "wrong",
    [
        ("tag",),
        ("tag", "id"),
        ("tag", "--add", "x"),
        ("tag", "id", "--filter", "{}", "--add", "x"),
        ("tag", "--filter", "{", "--add", "x"),
        ("tag", "--filter", "{}", "--add", "x"),
        ("tag", "--rename", "x"),
        ("tag", "id", "--rename", "x", "--to", "y"),
        ("trash", "--empty", "--restore", "x"),
    ],
)
def test_what_cannot_be_meant_is_refused(ise, wrong):
    assert ise(*wrong)[0] == 1
