"""The drawn sample: what is promised of its pictures, its manifest and its repeatability."""

import csv
import hashlib
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from PIL import Image, ImageChops, ImageStat

from demo.places import PLACES
from demo.sample import SIZES, SUBJECTS, draw_picture, draw_sample, main

COUNT = 480


def read(manifest: Path) -> list[tuple[str, list[str]]]:
    """The rows of a manifest: path and tags."""
    with manifest.open(encoding="utf-8", newline="") as lines:
        return [(row["path"], row["tags"].split(";")) for row in csv.DictReader(lines)]


def digests(folder: Path) -> dict[str, str]:
    """The digest of every file of a folder, by name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as the demo draws it."""
    return draw_sample(tmp_path_factory.mktemp("sample"))


def test_manifest_lists_every_picture_once(manifest: Path) -> None:
    assert manifest.name == "manifest.csv"
    assert manifest.read_text(encoding="utf-8").splitlines()[0] == "path,tags"
    paths = [path for path, _ in read(manifest)]
    assert len(paths) == COUNT
    assert sorted(paths) == sorted(path.name for path in manifest.parent.glob("*.jpg"))
    assert len(list(manifest.parent.iterdir())) == COUNT + 1


def test_pictures_are_jpegs_of_the_promised_sizes(manifest: Path) -> None:
    seen = set()
    for path, _ in read(manifest):
        with Image.open(manifest.parent / path) as image:
            assert image.format == "JPEG"
            assert image.mode == "RGB"
            seen.add(image.size)
    assert seen == set(SIZES)


def test_no_two_pictures_are_the_same(manifest: Path) -> None:
    assert len(set(digests(manifest.parent).values())) == COUNT + 1


def test_tags_are_few_distinct_and_begin_with_the_subject(manifest: Path) -> None:
    for path, tags in read(manifest):
        assert 2 <= len(tags) <= 5, path
        assert len(set(tags)) == len(tags), path
        assert tags[0] in SUBJECTS, path
        assert path.startswith(f"{tags[0]}-")


def test_tags_are_plain_lowercase_words(manifest: Path) -> None:
    for tag in {tag for _, tags in read(manifest) for tag in tags}:
        assert tag.isascii(), tag
        assert tag.isalpha(), tag
        assert tag.islower(), tag


def test_enough_tags_are_common_enough_to_search_for(manifest: Path) -> None:
    counts = Counter(tag for _, tags in read(manifest) for tag in tags)
    assert len([tag for tag, count in counts.items() if count >= 8]) >= 24
    assert min(counts[name] for name in SUBJECTS) >= 8


def test_a_seed_gives_the_same_bytes_and_count_only_cuts(manifest: Path, tmp_path: Path) -> None:
    short = draw_sample(tmp_path / "new" / "folder", count=30)
    whole = digests(manifest.parent)
    rows = read(short)
    assert rows == read(manifest)[:30]
    assert digests(short.parent) | {"manifest.csv": ""} == {
        **{path: whole[path] for path, _ in rows},
        "manifest.csv": "",
    }


def test_drawing_again_changes_nothing(tmp_path: Path) -> None:
    draw_sample(tmp_path, count=4)
    before = digests(tmp_path)
    draw_sample(tmp_path, count=4)
    assert digests(tmp_path) == before


def test_another_seed_changes_every_picture(manifest: Path, tmp_path: Path) -> None:
    other = digests(draw_sample(tmp_path, count=30, seed=8).parent)
    whole = digests(manifest.parent)
    del other["manifest.csv"]
    assert len(other) == 30
    assert all(whole[path] != digest for path, digest in other.items())


@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_a_subject_is_visible(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same picture without its subject differs by more than the grain does."""
    with_subject = draw_picture(name, Random("visible")).image
    shown = SUBJECTS[name]
    calls: list[Random] = []

    def leave_out(pen: object, rng: Random, palette: object) -> None:
        calls.append(rng)

    monkeypatch.setitem(SUBJECTS, name, type(shown)(**{**vars(shown), "draw": leave_out}))
    without = draw_picture(name, Random("visible")).image
    assert len(calls) == 1
    changed = ImageChops.difference(with_subject, without).convert("L")
    large = changed.point(lambda value: 255 if value > 30 else 0)
    assert ImageStat.Stat(large).mean[0] / 255 > 0.05


def test_every_subject_names_places_with_a_light_for_it() -> None:
    for name, subject in SUBJECTS.items():
        for place in subject.places:
            assert set(PLACES[place].lights) & set(subject.lights), (name, place)


def test_the_command_draws_and_prints_the_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(tmp_path), "--count", "3", "--seed", "11"])
    assert capsys.readouterr().out.strip() == str(tmp_path / "manifest.csv")
    assert len(read(tmp_path / "manifest.csv")) == 3
