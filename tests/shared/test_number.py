"""Singular and plural of English words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.terms.number import other_numbers

PAIRS = [
    *[("butterfly", "butterflies"), ("monkey", "monkeys"), ("leaf", "leaves"), ("knife", "knives")],
    *[("bus", "buses"), ("box", "boxes"), ("church", "churches"), ("quiz", "quizzes")],
    *[("potato", "potatoes"), ("photo", "photos"), ("shoe", "shoes"), ("horse", "horses")],
    *[("goose", "geese"), ("mouse", "mice"), ("tooth", "teeth"), ("child", "children")],
    *[("woman", "women"), ("snowman", "snowmen"), ("person", "people"), ("ox", "oxen")],
    *[("die", "dice"), ("cactus", "cacti"), ("crisis", "crises"), ("index", "indices")],
    *[("larva", "larvae"), ("bacterium", "bacteria"), ("phenomenon", "phenomena")],
    *[("château", "châteaux"), ("glass", "glasses"), ("cookie", "cookies"), ("cliff", "cliffs")],
]


@pytest.mark.parametrize(("singular", "plural"), PAIRS)
def test_either_number_leads_to_the_other(singular, plural):
    assert singular in other_numbers(plural)
    assert plural in other_numbers(singular)


@pytest.mark.parametrize(
    ("word", "other"),
    [
        ("news", "new"),
        ("lens", "len"),
        ("glass", "glas"),
        ("gas", "ga"),
        ("is", "i"),
        ("mars", "mar"),
    ],
)
def test_a_word_that_only_looks_like_a_plural_is_none(word, other):
    assert other not in other_numbers(word)


@pytest.mark.parametrize(
    ("word", "other"),
    [
        ("caves", "cafe"),
        ("cameron", "camera"),
        ("camera", "cameron"),
        ("colon", "cola"),
        ("canna", "cannon"),
        ("tunes", "tunis"),
        ("pares", "paris"),
        ("alba", "album"),
    ],
)
def test_another_word_with_a_like_ending_is_no_other_number(word, other):
    assert other not in other_numbers(word)


def test_a_possessive_leads_to_its_owner():
    assert other_numbers("cat's")[0] == "cat"
    assert other_numbers("cat’s")[0] == "cat"


@given(st.text(max_size=20))
def test_a_word_is_not_its_own_other_number(word):
    forms = other_numbers(word)
    assert word not in forms
    assert len(forms) == len(set(forms)) < 40
