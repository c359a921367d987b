"""The order by name goes on with the one of the snapshot before."""

from pathlib import Path

import numpy as np
import pytest

from services.query.search.order import Orders
from shared.contracts.browsing import Sort
from shared.snapshots.items import Item, ItemsFile, write_items

NOTHING = np.empty(0, np.int64)


class Snapshots:
    """Items files, the newest record of an image last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written = 0

    def file(self, names: dict[int, str]) -> ItemsFile:
        self._written += 1
        path = self._folder / f"{self._written}.hdf5"
        write_items(path, (Item(n, str(n), uris=[name]) for n, name in sorted(names.items())))
        return ItemsFile(path)

    def orders(self, files: list[ItemsFile], former: Orders | None = None) -> Orders:
        superseded = [
            np.unique(np.concatenate([NOTHING, *(later.ordinals for later in files[i + 1 :])]))
            for i in range(len(files))
        ]
        return Orders(files, superseded, former)


def by_name(orders: Orders) -> list[int]:
    found: list[int] = orders.view(Sort.NAME, NOTHING, None, "").ordinals.tolist()
    return found


@pytest.mark.parametrize("seed", range(6))
def test_it_is_as_if_sorted_anew(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(seed)
    there = Snapshots(tmp_path)
    names = {n: f"{random.integers(40):02}.png" for n in range(1, 200)}
    files = [there.file(names)]
    former = there.orders(files)
    by_name(former)
    for step in range(5):
        some = [int(n) for n in random.choice(200, 12, replace=False) if n]
        new = {n: f"{random.integers(40):02}.png" for n in some}
        new |= {300 + 10 * step + n: f"{random.integers(40):02}.png" for n in range(4)}
        files = [*files, there.file(new)]
        if step == 3:
            # Two small files are merged.
            last = {}
            for file in files[-2:]:
                for row in range(len(file.ordinals)):
                    last[int(file.ordinals[row])] = file.item(row).uris[0]
            files = [*files[:-2], there.file(last)]
        if step == 4:
            # As after a roll-back: an older record of an image is in use again.
            files = [files[0], files[2]]
        going_on = there.orders(files, former)
        with monkeypatch.context() as patched:
            # It isn't sorted anew, or this would fail.
            patched.setattr(Orders, "_names", lambda self: pytest.fail("sorted anew"))
            found = by_name(going_on)
        assert found == by_name(there.orders(files))
        former = going_on


def test_a_merged_collection_is_sorted_anew_and_holds_no_removed_file(tmp_path: Path) -> None:
    there = Snapshots(tmp_path)
    former = there.orders([there.file({1: "b", 2: "a"})])
    assert by_name(former) == [2, 1]
    after = there.orders([there.file({1: "b", 2: "c"})], former)
    assert after._former is None
    assert by_name(after) == [1, 2]


def test_snapshots_that_nobody_sorts_by_name_lead_back_to_the_last_that_was(tmp_path: Path) -> None:
    there = Snapshots(tmp_path)
    first = there.file({n: f"{n:02}" for n in range(1, 30)})
    sorted_ = there.orders([first])
    by_name(sorted_)
    between = there.orders([first, there.file({2: "99"})], sorted_)
    last = there.orders([*between._files, there.file({30: "00"})], between)
    assert last._former is sorted_
    assert by_name(last) == [30, 1, *range(3, 30), 2]
