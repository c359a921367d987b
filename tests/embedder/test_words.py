import gzip

import numpy as np
import pytest
from gensim.models import KeyedVectors

from services.embedder.words.files import read_vectors
from services.embedder.words.vectors import Words, load_words
from shared.core.errors import Misconfigured, UnknownTerm
from tests.floats import assert_same

pytestmark = pytest.mark.floats

NAMES = ["the", "dog", "New_York", "naïve", "elephant"]


@pytest.fixture(scope="module")
def keyed():
    vectors = KeyedVectors(5)
    vectors.add_vectors(NAMES, np.random.default_rng(1).normal(size=(5, 5)).astype("f4"))
    return vectors


def glove(keyed, path):
    lines = [f"{w} {' '.join(map(str, keyed[w].tolist()))}\n" for w in NAMES]
    path.write_text("".join(lines), encoding="utf-8")


FORMATS = {
    "words.bin": lambda keyed, path: keyed.save_word2vec_format(str(path), binary=True),
    "words.txt": lambda keyed, path: keyed.save_word2vec_format(str(path)),
    "words.vec": lambda keyed, path: keyed.save_word2vec_format(str(path)),
    "glove.txt": glove,
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("name", FORMATS)
def test_each_format_gives_the_same_vectors(name, packed, keyed, tmp_path):
    path = tmp_path / name
    FORMATS[name](keyed, path)
    if packed:
        plain, path = path, tmp_path / f"{name}.gz"
        path.write_bytes(gzip.compress(plain.read_bytes()))
    words = load_words(str(path))
    assert (len(words), words.dim) == (5, 5)
    for word in NAMES:
        np.testing.assert_allclose(words.features(word), keyed[word], rtol=1e-6)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("name", FORMATS)
def test_large_vectors_are_mapped_and_the_same(name, packed, keyed, tmp_path, monkeypatch):
    path, folder = tmp_path / name, tmp_path / "cache"
    FORMATS[name](keyed, path)
    if packed:
        path.with_suffix(".gz").write_bytes(gzip.compress(path.read_bytes()))
        path = path.with_suffix(".gz")
    held = load_words(str(path))
    monkeypatch.setattr("services.embedder.words.files.LARGE", 0)
    large = read_vectors(path, folder)
    assert isinstance(large.vectors, np.memmap)
    assert Words(large).fingerprint == held.fingerprint
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", FORMATS)
def test_large_vectors_that_break_off_are_refused(name, keyed, tmp_path, monkeypatch):
    FORMATS[name](keyed, tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:-50])
    monkeypatch.setattr("services.embedder.words.files.LARGE", 0)
    with pytest.raises(Misconfigured, match="can't be read"):
        read_vectors(tmp_path / name, tmp_path)


def test_the_format_is_told_by_content(keyed, tmp_path):
    path = tmp_path / "vectors.data.bin"
    keyed.save_word2vec_format(str(path), binary=False)
    np.testing.assert_allclose(load_words(str(path)).features("dog"), keyed["dog"], rtol=1e-6)


@pytest.mark.parametrize("name", ["words.kv", "words.bin"])
def test_pickles_are_refused(name, keyed, tmp_path):
    keyed.save(str(tmp_path / name))
    with pytest.raises(
        Misconfigured, match=r"is a pickle.*save_word2vec_format\('words[^']*\.bin', binary=True\)"
    ):
        load_words(str(tmp_path / name))


@pytest.mark.parametrize(
    "content",
    [b"", b"hello\n", b"3 5\ndog 1 2\n", b"900 5\n", b"\xff\xfe\x00", b"2 2\na 1 2\nb 3 x\n"],
)
def test_other_files_are_refused_in_a_sentence(content, tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match="ISE_WORDS"):
        load_words(str(path))


def test_an_absent_file_is_named():
    with pytest.raises(Misconfigured, match=r"ISE_WORDS=/no/such\.bin: there is no file /no/such"):
        load_words("/no/such.bin")


def test_vectors_that_are_not_finite_are_refused():
    keyed = KeyedVectors(2)
    keyed.add_vectors(["a"], np.array([[1, np.nan]], dtype="f4"))
    with pytest.raises(Misconfigured, match="finite"):
        Words(keyed)


def test_case_is_a_fall_back(small_words):
    def same(one, other):
        return np.array_equal(small_words.features(one), small_words.features(other))

    assert same("ELEPHANT", "elephant")
    assert same("paris", "Paris")
    assert same(" elephant ", "elephant")


def test_a_phrase_that_is_an_entry_is_that_entry(small_words):
    for spelling in ("New_York", "new york", "NEW-YORK"):
        np.testing.assert_array_equal(
            small_words.features(spelling), small_words.features("New_York")
        )


@pytest.mark.parametrize("term", ["wild cat", "wild_cat", "Wild-Cat", "_wild__cat_", "wild cats"])
def test_other_phrases_are_a_mean_of_their_words_the_last_twice(term, small_words):
    wild, cat = small_words.features("wild"), small_words.features("cat")
    lengths = np.linalg.norm([wild, cat], axis=1)
    expected = (wild / lengths[0] + 2 * cat / lengths[1]) / 3 * lengths.mean()
    np.testing.assert_allclose(small_words.features(term), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("term", "entry"),
    [
        ("elephants", "elephant"),
        ("ELEPHANTS", "elephant"),
        ("elephant's", "elephant"),
        ("elephant\u2019s", "elephant"),
        ("bus", "buses"),
        ("pony", "ponies"),
        ("ladies", "lady"),
        ("foxes", "fox"),
        ("sock", "socks"),
        ("polar-bears", "polar_bear"),
        ("news", "news"),
        ("cell-phone", "cellphone"),
        ("Cell Phones", "cellphone"),
        ("glass", "glass"),
    ],
)
def test_number_and_spelling_are_fall_backs(term, entry):
    names = ["elephant", "buses", "ponies", "lady", "fox", "socks", "polar_bear", "new", "news"]
    names += ["phone", "cellphone", "glas", "glass", "polar"]
    keyed = KeyedVectors(len(names))
    keyed.add_vectors(names, np.eye(len(names), dtype="f4"))
    words = Words(keyed)
    np.testing.assert_array_equal(words.features(term), keyed[entry])


def test_known_words_are_not_written_as_one():
    keyed = KeyedVectors(3)
    keyed.add_vectors(["car", "pet", "carpet"], np.eye(3, dtype="f4"))
    np.testing.assert_allclose(Words(keyed).features("car pet"), [1 / 3, 2 / 3, 0], rtol=1e-6)


@pytest.mark.parametrize("term", ["nai\u0308ve", "ＮＡÏＶＥ", "New\u00a0York", "new\u2010york"])
def test_composition_width_and_kind_of_separator_make_no_difference(term, keyed):
    entry = "naïve" if term[-1] in "eＥ" else "New_York"
    np.testing.assert_array_equal(Words(keyed).find(term), keyed[entry])


def test_words_not_known_are_left_out_of_a_phrase(small_words):
    assert_same(small_words.features("zq_cat"), small_words.features("cat"))


@pytest.mark.parametrize("term", ["", "  ", "_", "zq", "zq xv", "日本", "a" * 100_000])
def test_unknown_terms(term, small_words):
    assert small_words.find(term) is None
    with pytest.raises(UnknownTerm):
        small_words.features(term)


def test_close_spellings_are_suggested(small_words):
    with pytest.raises(UnknownTerm, match="Did you mean elephant") as caught:
        small_words.features("elefant")
    assert caught.value.extra["suggestions"] == ["elephant"]


def test_fingerprint_is_of_words_and_vectors(keyed):
    other = KeyedVectors(5)
    other.add_vectors(NAMES[::-1], keyed.vectors)
    changed = KeyedVectors(5)
    changed.add_vectors(NAMES, keyed.vectors + np.float32(1e-3))
    prints = {Words(k).fingerprint for k in (keyed, other, changed)}
    assert len(prints) == 3
    assert Words(keyed).fingerprint in prints


class TestInContext:
    """Vectors drawn towards the frequent words that are near to them."""

    def words(self, count=200, dim=12):
        keyed = KeyedVectors(dim)
        vectors = np.random.default_rng(0).normal(1, 1, (count, dim)).astype("f4")
        keyed.add_vectors([f"w{n}" for n in range(count)], vectors)
        return Words(keyed), vectors

    def test_a_vector_comes_nearer_to_what_is_near_to_it(self):
        words, vectors = self.words()
        mean = vectors.mean(axis=0)
        centred = vectors - mean
        units = centred / np.linalg.norm(centred, axis=1, keepdims=True)
        drawn = words.in_context(vectors[:20]) - mean
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        before, after = units[:20] @ units.T, drawn @ units.T
        nearest = np.argsort(-before, axis=1)[:, 1:6]
        gain = np.take_along_axis(after - before, nearest, axis=1)
        assert gain.mean(axis=1).min() > 0.01
        assert np.diag(after[:, :20]).min() > 0.85

    def test_many_come_out_as_each_alone(self):
        words, vectors = self.words(700)
        together = words.in_context(vectors)
        assert together.dtype == np.float32
        for row in (0, 511, 512, 699):
            alone = words.in_context(vectors[row : row + 1])[0]
            np.testing.assert_allclose(together[row], alone, atol=1e-5)

    @pytest.mark.parametrize("count", [1, 3])
    def test_of_few_words_and_of_none(self, count):
        words, vectors = self.words(count)
        assert np.isfinite(words.in_context(vectors)).all()
        assert words.in_context(vectors[:0]).shape == (0, 12)

    def test_rare_words_draw_nothing(self):
        words, vectors = self.words(10_400)
        keyed = KeyedVectors(12)
        keyed.add_vectors([f"w{n}" for n in range(10_000)], vectors[:10_000])
        frequent = Words(keyed)
        asked = vectors[10_000:10_050]
        assert_same(words.in_context(asked), frequent.in_context(asked))
