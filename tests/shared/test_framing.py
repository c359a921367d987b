"""Several files as one body."""

import pytest

from shared.contracts.framing import framed, unframed
from shared.core.errors import InvalidInput


@pytest.mark.parametrize("files", [[], [b"one"], [b"", b"two", b"\x00" * 300]])
def test_what_is_framed_comes_back(files):
    assert unframed(framed(files), 3) == files


@pytest.mark.parametrize("body", [b"\x01", b"\x05\0\0\0four", b"\xff\xff\xff\xff"])
def test_a_body_that_is_cut_is_refused(body):
    with pytest.raises(InvalidInput, match="The body ends within"):
        unframed(body, 3)


def test_too_many_files_are_refused():
    with pytest.raises(InvalidInput, match="Over 2 files"):
        unframed(framed([b""] * 3), 2)
