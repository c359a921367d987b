import hashlib
import os
from pathlib import Path

import pytest

from shared.files import durable


def test_a_file_appears_whole_at_the_end_of_the_block(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    with durable.publishing(path) as temporary:
        temporary.write_bytes(b"half")
        assert not path.exists()
        temporary.write_bytes(b"whole")
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


def test_bytes_are_durable_before_the_name_is_and_the_name_before_the_block_ends(
    tmp_path, monkeypatch
):
    path, steps = tmp_path / "new" / "file", []
    replace = Path.replace

    def synced(descriptor):
        what = Path(f"/proc/self/fd/{descriptor}").readlink()
        assert what.is_dir() or what.read_bytes() == b"whole"
        steps.append(("sync", what.name if what.is_dir() else "bytes"))

    def renamed(temporary, target):
        steps.append(("rename", target.name))
        return replace(temporary, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    durable.write_bytes(path, b"whole")
    assert steps == [
        ("sync", tmp_path.name),
        ("sync", "bytes"),
        ("rename", "file"),
        ("sync", "new"),
    ]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("before", [None, b"old"])
def test_when_the_block_raises_all_is_as_it_was(tmp_path, error, before):
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)

    def publish():
        with durable.publishing(path) as temporary:
            temporary.write_bytes(b"new")
            raise error

    with pytest.raises(error):
        publish()
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([] if before is None else [before])


def test_a_block_that_writes_nothing_publishes_nothing(tmp_path):
    with pytest.raises(FileNotFoundError), durable.publishing(tmp_path / "file"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_two_writers_of_one_file_do_not_share_a_temporary(tmp_path):
    path = tmp_path / "file"
    with durable.publishing(path) as one, durable.publishing(path) as other:
        one.write_bytes(b"one")
        other.write_bytes(b"other")
    assert path.read_bytes() == b"one"


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    kept = [tmp_path / "a.tmp", tmp_path / ".hidden", tmp_path / "sub" / "b.hdf5"]
    left = [tmp_path / ".a.123.tmp", tmp_path / "sub" / ".b.hdf5.9f.tmp"]
    (tmp_path / "sub").mkdir()
    for path in kept + left:
        path.write_bytes(b"x")
    assert durable.remove_temporaries(tmp_path) == 2
    assert all(p.exists() for p in kept)
    assert not any(p.exists() for p in left)
    assert durable.remove_temporaries(tmp_path / "nowhere") == 0


def test_folders_are_made_with_their_parents_and_again_without_harm(tmp_path, monkeypatch):
    durable.make_dir(tmp_path / "a" / "b")
    durable.make_dir(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    monkeypatch.chdir(tmp_path)
    durable.write_text(durable.Path("c/d/file"), "ü")
    assert (tmp_path / "c/d/file").read_bytes() == b"\xc3\xbc"


@pytest.mark.parametrize("size", [0, 1, (1 << 20), (1 << 20) + 1])
def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path, size):
    data = b"ab" * (size // 2) + b"c" * (size % 2)
    (tmp_path / "file").write_bytes(data)
    assert durable.sha256_of(tmp_path / "file") == hashlib.sha256(data).hexdigest()
