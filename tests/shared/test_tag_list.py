"""Comma-separated tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.terms.tag_list import join_tags, split_tags

TAGS = st.lists(st.text('ab,"; ', min_size=1, max_size=8).map(str.strip).filter(bool), max_size=5)


@given(TAGS)
def test_any_tags_come_back_from_one_text(tags):
    assert split_tags(join_tags(tags)) == tags


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("castle, night ,,", ["castle", "night"]),
        ('castle,"Portland, Oregon"', ["castle", "Portland, Oregon"]),
        (' "a, b" , c', ["a, b", "c"]),
        ("12\" vinyl, 5' tall", ['12" vinyl', "5' tall"]),
        ('"quoted" and more, b', ['"quoted" and more', "b"]),
        ('"open, b', ['"open', "b"]),
        ('"say ""hi"", you"', ['say "hi", you']),
        ("", []),
    ],
)
def test_commas_separate_tags_and_quotes_hold_them_together(text, tags):
    assert split_tags(text) == tags
