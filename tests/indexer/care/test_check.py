"""Damage of any file is found, and a damaged snapshot is not served."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.query.search.snapshot_reader import SnapshotReader
from shared.core.errors import Corrupt
from tests.indexer.care.caring import cut, flip, found, segments_in_use, watched, wrong


def test_an_intact_collection_has_nothing_to_tell(grown):
    assert found(grown) == []


@pytest.mark.slow
def test_a_flipped_byte_a_cut_and_a_missing_file_are_told_of_every_file(data):
    for path in watched(data):
        content = path.read_bytes()
        for damage in (flip, lambda p: os.truncate(p, p.stat().st_size // 2), os.unlink):
            damage(path)
            told = [finding.sentence for finding in found(data)]
            assert any(path.name.removesuffix(".sha256") in sentence for sentence in told), path
            path.write_bytes(content)
    assert found(data) == []


@settings(max_examples=25, deadline=None)
@given(choices=st.data())
def test_any_flipped_byte_is_told(grown, choices):
    files = [path for path in watched(grown) if path.suffix != ".sha256"]
    path = choices.draw(st.sampled_from(files))
    at = choices.draw(st.integers(0, path.stat().st_size - 1))
    mask = choices.draw(st.integers(1, 255))
    flip(path, at, mask)
    try:
        assert any(finding.path == path for finding in wrong(grown))
    finally:
        flip(path, at, mask)


def test_a_damaged_snapshot_is_not_served_but_the_one_before(data):
    number = SnapshotReader(data).current()[0].manifest.number
    flip(segments_in_use(data)[0])
    reader = SnapshotReader(data)
    assert reader.current()[0].manifest.number < number
    assert f"Snapshot {number} is damaged" in reader.warning


@pytest.mark.parametrize("damage", [flip, cut, os.unlink])
def test_no_damaged_file_of_the_snapshot_in_use_is_served_and_the_log_names_it(
    data, damage, caplog
):
    newest = SnapshotReader(data).current()[0].manifest.number
    folder = data / "snapshots"
    manifest = folder / f"{newest:06d}" / "manifest.json"
    for path in [*segments_in_use(data), manifest, folder / "CURRENT"]:
        content = path.read_bytes()
        damage(path)
        caplog.clear()
        try:
            assert SnapshotReader(data).current()[0].manifest.number < newest
            told = caplog.text
        except Corrupt as error:
            # Nor is there an older one without that file.
            told = error.detail
        assert (f"napshot {newest}" if path == manifest else path.name) in told, path
        path.write_bytes(content)
    assert SnapshotReader(data).current()[0].manifest.number == newest


def test_the_snapshot_that_was_served_goes_on_when_the_pointer_is_damaged(data):
    reader = SnapshotReader(data)
    served, _ = reader.current()
    flip(data / "snapshots" / "CURRENT")
    assert reader.current()[0] is served
