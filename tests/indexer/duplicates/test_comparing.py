"""The second look: what is the same picture lies on it, and nothing else does."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import ImageEnhance, ImageFilter, ImageOps
from threadpoolctl import threadpool_info, threadpool_limits

from services.indexer.comparing.evidence import NOTHING, compare
from services.indexer.comparing.hashes import HashIndex, hash_of
from services.indexer.comparing.judge import packaged
from services.indexer.comparing.look import Features, look_at
from shared.core.errors import BadImage
from tests.indexer.duplicates.drawing import coded, scene, thumbnail

CHANGES = {
    "written anew": lambda image: image.convert("RGB"),
    "smaller": lambda image: image.resize((140, 105)),
    "cut": lambda image: image.crop((40, 30, 300, 220)),
    "a quarter turn": lambda image: image.rotate(90, expand=True),
    "a half turn": lambda image: image.rotate(180),
    "three quarters": lambda image: image.rotate(270, expand=True),
    "tilted": lambda image: image.rotate(7),
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "framed": lambda image: ImageOps.expand(image, 20, "white"),
    "lighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "grey": ImageOps.grayscale,
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
}


def score(first, second):
    found = compare(look_at(thumbnail(first)), look_at(thumbnail(second)))
    return float(packaged().scores(np.array([found.numbers()]))[0])


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_picture_is_the_same_one(change):
    assert score(scene(1), CHANGES[change](scene(1))) > 0


def test_other_pictures_are_not():
    assert max(score(scene(1), scene(seed)) for seed in (2, 3, 4)) < -2


@pytest.mark.parametrize("colour", ["black", "white", "teal"])
def test_a_picture_of_one_colour_is_like_nothing(colour):
    plain = scene(1).copy()
    plain.paste(colour, (0, 0, *plain.size))
    assert compare(look_at(thumbnail(plain)), look_at(thumbnail(plain))) == NOTHING
    one = hash_of(look_at(thumbnail(plain)))[None]
    assert not list(HashIndex(one).find(one))


def test_a_part_shows_less_than_the_whole():
    whole, part = scene(1), scene(1).crop((0, 0, 200, 150))
    found = compare(look_at(thumbnail(whole)), look_at(thumbnail(part)))
    assert found.covers_second > 0.9
    assert found.covers_first < 0.7


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_hashes_are_comparable_in_all_turns(turn, is_mirrored):
    image = ImageOps.mirror(scene(1)) if is_mirrored else scene(1)
    others = [scene(seed) for seed in (2, 3)] + [image.rotate(turn, expand=True)]
    stored = np.stack([hash_of(look_at(thumbnail(one))) for one in others])
    asked = hash_of(look_at(thumbnail(scene(1))))[None]
    assert set(HashIndex(stored).find(asked)) == {(0, 2)}


def test_no_hashes_are_found_among_none():
    nothing = np.empty((0, 64), np.int8)
    one = hash_of(look_at(thumbnail(scene(1))))[None]
    assert list(HashIndex(nothing).find(one)) == list(HashIndex(one).find(nothing)) == []


@pytest.mark.parametrize("data", [b"", b"no picture", coded(scene(1))[:200]])
def test_what_is_no_thumbnail_is_refused(data):
    with pytest.raises(BadImage):
        look_at(data)


def test_threads_look_alike():
    made = [thumbnail(scene(seed)) for seed in range(4)]
    alone = [look_at(one) for one in made]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(look_at, made * 3))
    for n, look in enumerate(together):
        assert np.array_equal(look.features.descriptors, alone[n % 4].features.descriptors)


def test_pairs_are_compared_by_one_thread():
    """Beside other work, a pair took six times the processor time by two threads."""
    threads = []

    class Watched(Features):
        def matched_to(self, others):
            found = threadpool_info()
            threads.extend(one["num_threads"] for one in found if one["user_api"] == "blas")
            return super().matched_to(others)

    look = look_at(thumbnail(scene(1)))
    watched = replace(look, features=Watched(look.features.places, look.features.descriptors))
    with threadpool_limits(2, "blas"):
        compare(look, watched)
    assert set(threads) == {1}
