"""The word vectors inside the package, and how they are quantised."""

from importlib import resources

import numpy as np
import pytest
from gensim.models import KeyedVectors

from services.embedder.words.packaged import (
    ASSETS,
    VECTORS,
    VOCABULARY,
    dequantize,
    load_packaged_words,
)
from training.quantize_words import mean_cosine, neighbour_overlap, quantize

MAX_BYTES = 16 * 2**20


@pytest.fixture(scope="module")
def words() -> KeyedVectors:
    table = load_packaged_words()
    keyed = KeyedVectors(table.vectors.shape[1], dtype=np.float32)
    keyed.add_vectors(table.index_to_key, table.vectors)
    return keyed


def test_every_word_has_one_finite_vector(words: KeyedVectors) -> None:
    assert len(words) == 59_019
    assert words.vectors.shape == (59_019, 200)
    assert words.vectors.dtype == np.float32
    assert np.isfinite(words.vectors).all()
    assert (np.linalg.norm(words.vectors, axis=1) > 0).all()


def test_words_are_in_order_of_frequency(words: KeyedVectors) -> None:
    assert words.index_to_key[:5] == ["the", "a", "and", "of", "to"]
    assert words.key_to_index["of"] == 3


@pytest.mark.parametrize(
    ("word", "near", "far"),
    [
        ("dog", "puppy", "car"),
        ("guitar", "violin", "elephant"),
        ("ship", "boat", "pizza"),
        ("red", "blue", "monday"),
    ],
)
def test_related_words_are_nearer(words: KeyedVectors, word: str, near: str, far: str) -> None:
    assert words.similarity(word, near) > words.similarity(word, far) + 0.2


def test_neighbours_of_a_word_are_its_kind(words: KeyedVectors) -> None:
    assert {"dogs", "puppy"} <= {word for word, _ in words.most_similar("dog", topn=10)}


def test_an_unknown_word_is_an_error(words: KeyedVectors) -> None:
    with pytest.raises(KeyError):
        words["qqqqqq"]


def test_assets_are_small() -> None:
    folder = resources.files("services.embedder").joinpath(ASSETS)
    sizes = [len(folder.joinpath(name).read_bytes()) for name in (VECTORS, VOCABULARY)]
    assert sum(sizes) <= MAX_BYTES


def test_quantising_errs_by_half_a_step_at_most() -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((500, 200)) * rng.uniform(0.01, 10, (500, 1))).astype(np.float32)
    codes, scales = quantize(vectors)
    assert codes.dtype == np.int8
    assert scales.dtype == np.float32
    error = np.abs(dequantize(codes, scales) - vectors)
    assert (error <= 0.501 * scales[:, None]).all()
    assert mean_cosine(vectors, dequantize(codes, scales)) > 0.9999


@pytest.mark.slow
def test_quantising_again_keeps_the_packaged_neighbours(words: KeyedVectors) -> None:
    noise = np.random.default_rng(0).standard_normal(words.vectors.shape, dtype=np.float32)
    step = np.abs(words.vectors).max(axis=1, keepdims=True) / 127
    moved = words.vectors + 0.3 * step * noise
    restored = dequantize(*quantize(moved))
    assert mean_cosine(moved, restored) > 0.9999
    assert neighbour_overlap(moved, restored) > 0.98


def test_a_zero_vector_stays_zero() -> None:
    codes, scales = quantize(np.zeros((1, 200), np.float32))
    assert not dequantize(codes, scales).any()
