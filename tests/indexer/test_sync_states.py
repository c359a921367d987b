"""Whatever happens to a folder between two syncs: the collection is what a fresh ingest gives."""

import os
import shutil
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.media.identity import content_id
from tests.indexer.following import collection

PATHS = st.sampled_from([f"{d}{n}.png" for d in ("", "dog/", "Cat/", "dog/cat/") for n in "abc"])
CONTENTS = st.sampled_from([b"one", b"two", b"three", b"seven", b"eleven"])
CHANGES = st.one_of(
    st.tuples(st.just("write"), PATHS, CONTENTS),
    st.tuples(st.just("delete"), PATHS),
    st.tuples(st.just("move"), PATHS, PATHS),
    st.tuples(st.just("copy"), PATHS, PATHS),
    st.tuples(st.just("swap"), PATHS, PATHS),
    st.tuples(st.just("touch"), PATHS),
    st.tuples(st.just("rename folder"), st.sampled_from(["dog", "Cat"])),
)


def change(root: Path, kind: str, first: str, second: Any = None) -> None:
    path = root / first
    if kind == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(second)
    elif not path.exists():
        return
    elif kind == "delete":
        path.unlink()
    elif kind == "touch":
        os.utime(path)
    elif kind == "rename folder":
        other = root / {"dog": "Cat", "Cat": "dog"}[first]
        if not other.exists():
            path.rename(other)
    else:
        other = root / second
        other.parent.mkdir(parents=True, exist_ok=True)
        if other == path:
            return
        if kind == "copy":
            shutil.copy2(path, other)
        elif kind == "move" or not other.exists():
            path.replace(other)
        else:
            path.rename(held := root / ".held")
            other.rename(path)
            held.rename(other)


def contents(root: Path) -> Counter[str]:
    return Counter(content_id(path.read_bytes()) for path in root.rglob("*.png"))


def survives(rounds: list[list[tuple[Any, ...]]]) -> None:
    with TemporaryDirectory() as made, collection(Path(made, "followed")) as followed:
        root = Path(made, "source")
        (root / "always").mkdir(parents=True)
        (root / "always" / "here.png").write_bytes(b"always")
        for number, changes in enumerate(rounds):
            for one in changes:
                change(root, *one)
            before = set(followed.all())
            result = followed.sync(root)
            assert result["embedded"] == len(contents(root).keys() - before)
            again = followed.sync(root)
            assert (again["embedded"], again["unchanged"]) == (0, contents(root).total())
            followed.check()
            with collection(Path(made, f"fresh{number}")) as fresh:
                fresh.ingest(root)
                assert followed.all() == fresh.all()


ROUNDS = st.lists(st.lists(CHANGES, min_size=1, max_size=12), min_size=2, max_size=3)


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(rounds=ROUNDS)
def test_after_any_changes_the_collection_is_what_a_fresh_ingest_gives(rounds):
    survives(rounds)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(rounds=ROUNDS)
def test_after_very_many_changes_too(rounds):
    survives(rounds)
