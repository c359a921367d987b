"""SHA-256 sums beside files."""

import shutil
import subprocess

import pytest

from shared.core.errors import Corrupt
from shared.files import durable, sums


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(b"content")
    sums.write(path, durable.sha256_of(path))
    return path


def test_an_intact_file_passes_and_sha256sum_agrees(file):
    sums.check(file)
    beside = sums.path_of(file).name
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--status", beside], cwd=file.parent, check=True)


def test_every_flipped_bit_of_the_file_or_its_sum_is_told(file):
    for path in (file, sums.path_of(file)):
        data = path.read_bytes()
        for at in range(len(data) * 8):
            flipped = bytearray(data)
            flipped[at // 8] ^= 1 << at % 8
            path.write_bytes(flipped)
            if path == file or flipped.split() != data.split():
                with pytest.raises(Corrupt, match=r"a\.npy"):
                    sums.check(file)
        path.write_bytes(data)


def test_a_file_of_an_older_version_has_no_sum_and_passes(file):
    sums.path_of(file).unlink()
    sums.check(file)


def test_a_missing_file_is_told(file):
    file.unlink()
    with pytest.raises(Corrupt, match="missing"):
        sums.check(file)


def test_a_file_is_read_again_only_when_it_was_written_to(file):
    checked, reads = sums.Checked(), []
    for _ in range(2):
        checked.once(file, lambda: reads.append(1))
    assert len(reads) == 1
    file.write_bytes(b"another one")
    with pytest.raises(Corrupt):
        checked.once(file, lambda: sums.check(file))
