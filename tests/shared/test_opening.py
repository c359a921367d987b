"""A user's file is opened beneath its roots, or not at all."""

import os
import shutil
from pathlib import Path

import pytest

from shared.core.errors import Forbidden, TooLarge
from shared.objects.file import LocalFile
from shared.objects.opening import NotAFile, open_file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root/dog").mkdir(parents=True)
    (tmp_path / "root/dog/a.png").write_bytes(b"picture")
    (tmp_path / "secret").write_bytes(b"secret!")
    return tmp_path / "root"


def read(path: Path, *roots: Path) -> bytes:
    with open_file(path, roots) as file:
        return file.read()


def test_what_lies_in_a_root_is_read(root: Path) -> None:
    assert read(root / "dog/a.png", root) == b"picture"
    assert read(root / "dog/../dog/a.png", root) == b"picture"
    # A root may itself be reached by a link, or be the file.
    (root.parent / "way").symlink_to(root)
    assert read(root.parent / "way/dog/a.png", root) == b"picture"
    assert read(root / "dog/a.png", root.parent / "way") == b"picture"
    assert read(root / "dog/a.png", root / "dog/a.png") == b"picture"


def test_links_are_followed_within_the_roots_and_never_out_of_them(root: Path) -> None:
    other = root.parent / "other"
    other.mkdir()
    (other / "b.png").write_bytes(b"other")
    (root / "in.png").symlink_to("dog/a.png")
    (root / "across.png").symlink_to(other / "b.png")
    (root / "out.png").symlink_to(root.parent / "secret")
    (root / "up").symlink_to("..")
    assert read(root / "in.png", root) == b"picture"
    assert read(root / "across.png", root, other) == b"other"
    for path in ("across.png", "out.png", "up/secret", "../secret", "up/root/../secret"):
        with pytest.raises(Forbidden, match="ISE_INGEST_ROOTS"):
            read(root / path, root)
    with pytest.raises(Forbidden):
        read(root / "dog/a.png")
    (root / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="loop"):
        read(root / "loop", root)


@pytest.mark.parametrize("name", ["a\0.png", "\ud800.png", "a" * 5000])
def test_what_can_be_no_name_is_not_there(root: Path, name: str) -> None:
    for roots in (None, [root]):
        with pytest.raises(OSError), open_file(root / name, roots):  # noqa: PT011 - two kinds.
            pass


def test_a_hard_link_is_a_file_like_any_other(root: Path) -> None:
    os.link(root / "dog/a.png", root / "b.png")
    assert read(root / "b.png", root) == b"picture"


@pytest.mark.timeout(60)
def test_only_regular_files_are_read_and_a_pipe_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "pipe.png")
    for path in (root / "pipe.png", root / "dog", Path("/dev/zero")):
        for roots in (None, [root, Path("/dev")]):
            with pytest.raises(NotAFile), open_file(path, roots):
                pass


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc")
def test_what_the_kernel_answers_is_no_file() -> None:
    for path in ("/proc/self/environ", "/proc/version"):
        with pytest.raises(NotAFile), open_file(Path(path)):
            pass


def test_no_more_is_read_than_a_file_may_have(root: Path) -> None:
    file = LocalFile(root / "dog/a.png")
    assert (file.read(7), len(file.sha256(7))) == (b"picture", 64)
    for look in (file.read, file.sha256):
        with pytest.raises(TooLarge):
            look(6)
    sparse = root / "sparse.png"
    with sparse.open("wb") as made:
        made.truncate(2**40)
    with pytest.raises(TooLarge):
        LocalFile(sparse).read(2**20)


@pytest.mark.parametrize("name", ["dog", "dog/a.png"])
def test_what_is_swapped_for_a_link_after_the_look_leads_nowhere(
    root: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the worst of moments: between the resolving of the path and the opening of the file."""
    outside = root.parent / "outside"
    shutil.copytree(root / "dog", outside / "dog")
    (outside / "dog/a.png").write_bytes(b"secret!")
    resolve = os.path.realpath

    def resolved(path: Path, *, strict: bool = False) -> str:
        found = resolve(path, strict=strict)
        if path == root / "dog/a.png":
            (root / name).rename(root / "held")
            (root / name).symlink_to(outside / name)
        return found

    monkeypatch.setattr(os.path, "realpath", resolved)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        read(root / "dog/a.png", root)
    assert (root / "dog/a.png").read_bytes() == b"secret!"
