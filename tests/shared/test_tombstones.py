"""Deletions: seen at once, kept for ever, and damage to their file told."""

import os
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.errors import CatalogueAway, Corrupt, StorageFull
from shared.files import durable
from shared.snapshots.tombstones import NAME, Tombstones

ORDINALS = st.integers(1, 2**48)
HEADER = 24


def old_file(folder, ordinals):
    """As older versions wrote it."""
    path = folder / NAME
    path.write_bytes(np.asarray(ordinals, "<i8").tobytes())
    return path


@given(st.lists(st.lists(ORDINALS, max_size=4), max_size=5))
def test_every_deletion_is_seen_by_every_reader_at_once_ascending(fresh, batches):
    folder = fresh()
    writer, reader = Tombstones(folder), Tombstones(folder)
    gone: set[int] = set()
    for batch in batches:
        writer.add(batch)
        gone |= set(batch)
        assert reader.read().tolist() == sorted(gone)
    assert Tombstones(folder).read().tolist() == sorted(gone)


def test_before_the_first_deletion_nothing_is_deleted(tmp_path):
    deleted = Tombstones(tmp_path).read()
    assert (deleted.tolist(), deleted.dtype) == ([], np.int64)


@given(st.lists(ORDINALS, min_size=1, unique=True), st.binary(min_size=1, max_size=20))
def test_a_torn_end_is_no_deletion_and_the_next_takes_its_place(fresh, ordinals, torn):
    tombstones = Tombstones(fresh())
    tombstones.add(ordinals)
    with tombstones.path.open("ab") as file:
        file.write(torn)
    assert tombstones.read().tolist() == sorted(ordinals)
    tombstones.add([100])
    assert tombstones.read().tolist() == sorted({*ordinals, 100})
    assert Tombstones(tombstones.path.parent).read().tolist() == sorted({*ordinals, 100})


def test_what_is_taken_back_is_not_deleted_for_any_reader(tmp_path):
    tombstones, reader = Tombstones(tmp_path), Tombstones(tmp_path)
    tombstones.add([1])

    def refused(ordinal: int) -> None:
        with tombstones.adding() as add:
            add([ordinal])
            assert reader.read().tolist() == [1, ordinal]
            raise StorageFull("no")

    for ordinal in range(2, 50):
        with pytest.raises(StorageFull):
            refused(ordinal)
        assert reader.read().tolist() == tombstones.read().tolist() == [1]


def test_what_another_worker_deleted_meanwhile_is_not_taken_back(tmp_path):
    one, other = Tombstones(tmp_path), Tombstones(tmp_path)
    one.add([1])

    def cut_off() -> None:
        with one.adding() as add:
            add([5])
            # The turn was given away, as the server ended this one's connection.
            other.add([7])
            raise StorageFull("no")

    with pytest.raises(StorageFull):
        cut_off()
    assert other.read().tolist() == [1, 5, 7]


def test_a_deletion_stands_whose_end_is_not_known(tmp_path):
    tombstones = Tombstones(tmp_path)

    def cut_off() -> None:
        with tombstones.adding() as add:
            add([5])
            raise CatalogueAway("gone")

    with pytest.raises(CatalogueAway):
        cut_off()
    assert tombstones.read().tolist() == [5]


def test_what_a_killed_process_left_half_written_is_removed_and_nothing_else(tmp_path):
    tombstones = Tombstones(tmp_path)
    tombstones.add([1])
    half = durable.temporary_of(tombstones.path)
    others = [tmp_path / ".lock", durable.temporary_of(tmp_path / "catalog")]
    for path in (half, *others):
        path.write_bytes(b"x")
    tombstones.tidy()
    assert not half.exists()
    assert all(path.exists() for path in others)
    assert Tombstones(tmp_path).read().tolist() == [1]


def test_readers_in_many_threads_never_go_back_behind_an_acknowledged_deletion(tmp_path):
    tombstones = Tombstones(tmp_path)
    acknowledged = 0
    wrong: list[tuple[int, int]] = []

    def read() -> None:
        while acknowledged < 300:
            before = acknowledged
            seen = len(tombstones.read())
            if seen < before:
                wrong.append((before, seen))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for ordinal in range(300):
        Tombstones(tmp_path).add([ordinal])
        acknowledged = ordinal + 1
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(tombstones.read()) == 300


def test_every_flipped_bit_and_every_cut_is_told(tmp_path):
    tombstones = Tombstones(tmp_path)
    tombstones.add([3, 1, 2**40])
    tombstones.add([7])
    whole = tombstones.path.read_bytes()
    assert len(whole) == HEADER + 4 * 8
    damaged = [whole[:length] for length in range(len(whole))]
    for at in range(len(whole)):
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[at] ^= 1 << bit
            damaged.append(bytes(flipped))
    for data in damaged:
        tombstones.path.write_bytes(data)
        with pytest.raises(Corrupt, match="tombstones is damaged"):
            Tombstones(tmp_path).read()
    with pytest.raises(Corrupt):
        tombstones.add([9])
    assert tombstones.path.read_bytes() == data
    tombstones.path.write_bytes(whole)
    assert Tombstones(tmp_path).read().tolist() == [1, 3, 7, 2**40]


@given(st.lists(ORDINALS, min_size=1, unique=True), st.integers(0, 7))
def test_a_file_of_an_older_version_is_read_and_written_anew_by_the_next_deletion(
    fresh, ordinals, torn
):
    folder = fresh()
    # -1: one that was taken back.
    path = old_file(folder, [*ordinals, -1])
    with path.open("ab") as file:
        file.write(b"\x01" * torn)
    tombstones = Tombstones(folder)
    assert tombstones.is_old()
    assert tombstones.read().tolist() == sorted(ordinals)
    tombstones.add([5])
    assert not tombstones.is_old()
    assert Tombstones(folder).read().tolist() == sorted({*ordinals, 5})


def test_an_old_file_that_grows_is_read_again(tmp_path):
    old_file(tmp_path, [1])
    reader = Tombstones(tmp_path)
    assert reader.read().tolist() == [1]
    old_file(tmp_path, [1, 2])
    assert reader.read().tolist() == [1, 2]


def test_what_is_no_such_file_is_told(tmp_path):
    for data in (b"", b"abc", os.urandom(6) + b"\x40\x40", b"\x80" * 8):
        (tmp_path / NAME).write_bytes(data)
        with pytest.raises(Corrupt):
            Tombstones(tmp_path).read()
