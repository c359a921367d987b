"""The one normal form of tags and terms."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.snapshots.items import tag_key
from shared.terms.normal_form import normal_form, words_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
WORD = st.text("abcßéÅσςñ9ﬁ🐶字", min_size=1, max_size=6)
SEPARATOR = st.text(" _-\t\u00a0\u2011", min_size=1, max_size=3)
EDGE = st.text(" _-\t\u00a0", max_size=2)
VARIATIONS = (
    str.upper,
    str.lower,
    str.title,
    str.swapcase,
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: unicodedata.normalize("NFC", text),
)


@given(TEXT)
def test_the_normal_form_is_its_own_normal_form(text):
    assert normal_form(normal_form(text)) == normal_form(text)


@given(st.lists(WORD, min_size=1, max_size=4), st.data())
def test_case_composition_and_separators_make_no_difference(words, data):
    def written():
        text = "".join(word + data.draw(SEPARATOR) for word in words[:-1]) + words[-1]
        return data.draw(EDGE) + data.draw(st.sampled_from(VARIATIONS))(text) + data.draw(EDGE)

    assert normal_form(written()) == normal_form(written()) == normal_form("_".join(words))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Grand-Piano", "grand_piano"),
        ("car side", "car_side"),
        ("__car--side ", "CAR   SIDE"),
        ("Straße", "STRASSE"),
        ("ｃａｒ　ｓｉｄｅ", "car side"),
        ("ﬁsh", "FISH"),
        ("cafe\u0301", "CAFÉ"),
        ("İzmir", "i\u0307zmir"),
        ("ΟΔΟΣ", "οδος"),
        ("②", "2"),
        ("❤\ufe0f", "❤"),
        ("so\u00adft", "soft"),
        ("Grand\u2010Piano", "grand piano"),
    ],
)
def test_ways_to_write_one_tag_have_one_normal_form(one, other):
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("car", "cars"),
        ("carside", "car side"),
        ("c++", "c"),
        ("cafe", "café"),
        ("👩", "👨"),
        ("ş", "s"),
    ],
)
def test_other_tags_have_another_normal_form(one, other):
    assert normal_form(one) != normal_form(other)


@pytest.mark.parametrize("text", ["-", "_", "--", "\u2212", "\u200b", "\ufe0f"])
def test_a_tag_of_separators_alone_is_not_lost(text):
    assert normal_form(text) != ""


def test_a_normal_form_fits_the_catalogues_index_whatever_it_stands_for():
    # One character of them is eighteen letters.
    tags = ["\ufdfa" * 200, "\ufdfa" * 199 + "a", "\U0001f436" * 200]
    forms = [normal_form(tag) for tag in tags]
    assert len(set(forms)) == 3
    assert all(len(form.encode()) <= 2400 for form in forms)
    assert [normal_form(form) for form in forms] == forms


def test_a_tags_key_is_the_normal_form():
    assert tag_key is normal_form


def test_words_keep_their_case():
    assert words_of(" Ｇrand-Piano__concert ") == ["Grand", "Piano", "concert"]
