"""Folders of the collection: what lies below a path, and the filter by one."""

import numpy as np
import pytest

from services.query.search.folders import folders_below
from shared.contracts.filters import Filter
from shared.snapshots.filtering import Filtering
from shared.snapshots.items import Item, ItemsFile, write_items

URIS = ["a.jpg", "trips/b.jpg", "trips/rome/c.jpg", "trips/rome/d.jpg", "Trips2/e.jpg"]
NONE = np.empty(0, np.int64)


@pytest.fixture
def file(tmp_path):
    items = [
        Item(ordinal=n, id=f"id-{n}", tags=[], uris=[uri], metadata={})
        for n, uri in enumerate(URIS)
    ]
    write_items(tmp_path / "items", items)
    return ItemsFile(tmp_path / "items")


def listed(file, path, deleted=NONE):
    return [
        (folder.path, folder.name, folder.count, newest)
        for folder, newest in folders_below([file], [NONE], deleted, path)
    ]


def test_the_topmost_folders_count_what_lies_below_them(file):
    assert listed(file, "") == [("trips", "trips", 3, 3), ("Trips2", "Trips2", 1, 4)]


def test_a_folder_lists_only_what_is_right_below_it(file):
    assert listed(file, "trips") == [("trips/rome", "rome", 2, 3)]
    assert listed(file, "trips/rome") == []


def test_what_was_deleted_does_not_count(file):
    assert listed(file, "trips", np.array([2, 3])) == []
    assert listed(file, "", np.array([3])) == [("trips", "trips", 2, 2), ("Trips2", "Trips2", 1, 4)]


def test_what_a_newer_file_tells_again_counts_once(file, tmp_path):
    moved = [Item(ordinal=3, id="id-3", tags=[], uris=["other/d.jpg"], metadata={})]
    write_items(tmp_path / "newer", moved)
    newer = ItemsFile(tmp_path / "newer")
    found = folders_below([file, newer], [np.array([3]), NONE], NONE, "")
    assert [(f.name, f.count) for f, _ in found] == [("other", 1), ("trips", 2), ("Trips2", 1)]


def test_the_rows_are_gone_through_once_however_many_folders_there_are(file):
    class Counting(np.ndarray):
        compared = 0

        def __eq__(self, other):
            Counting.compared += 1
            return np.asarray(self) == other

        __hash__ = None

    file.folders.of_row = file.folders.of_row.view(Counting)
    assert listed(file, "") == [("trips", "trips", 3, 3), ("Trips2", "Trips2", 1, 4)]
    assert Counting.compared == 0


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ({"match": "trips"}, [1]),
        ({"match": "trips/rome"}, [2, 3]),
        ({"any": ["trips", "Trips2"]}, [1, 4]),
        ({"match": "none"}, []),
    ],
)
def test_a_filter_by_folder_takes_what_lies_in_it(file, condition, met):
    wanted = Filter.model_validate({"must": [{"key": "file.folder", **condition}]})
    assert np.flatnonzero(Filtering([file]).allowed(wanted)).tolist() == met
