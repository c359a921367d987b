"""`.npy` files from outside: what numpy writes is read; the rest is refused with a sentence."""

import io
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.indexer.transfer.npy_stream import NpyFile, npy_header
from shared.core.errors import InvalidInput

TABLE = np.arange(12, dtype=np.float32).reshape(4, 3)


def saved(array, **options) -> bytes:
    out = io.BytesIO()
    np.save(out, array, **options)
    return out.getvalue()


def read(data: bytes, block: int = 3):
    npy = NpyFile(io.BytesIO(data), len(data), "f.npy")
    return np.concatenate(list(npy.blocks(block)))


@pytest.mark.parametrize("kind", ["<f2", "<f4", "<f8", ">f4"])
def test_what_numpy_writes_is_read_as_float32(kind):
    found = read(saved(TABLE.astype(kind)))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, TABLE)


def test_headers_of_all_versions_are_read():
    for version in ((1, 0), (2, 0), (3, 0)):
        out = io.BytesIO()
        np.lib.format.write_array(out, TABLE, version=version)
        np.testing.assert_array_equal(read(out.getvalue()), TABLE)


@given(rows=st.integers(1, 10**13), dim=st.integers(1, 65_536))
def test_a_header_is_the_one_that_numpy_writes(rows, dim):
    out = io.BytesIO()
    described = {"descr": "<f4", "fortran_order": False, "shape": (rows, dim)}
    np.lib.format.write_array_header_1_0(out, described)
    assert npy_header(rows, dim).rstrip() == out.getvalue().rstrip()
    assert len(npy_header(rows, dim)) % 64 == 0


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is not a .npy file"),
        (b"PK\x03\x04 a zip", "is not a .npy file"),
        (saved(TABLE)[:40], "ends within its header"),
        (saved(TABLE)[:-1], "announces 176 bytes, and it has 175"),
        (saved(TABLE) + b"x", "announces 176 bytes, and it has 177"),
        (saved(TABLE[0]), "one row a vector"),
        (saved(TABLE[None]), "one row a vector"),
        (saved(TABLE.astype(np.int64)), "holds <i8; save it as float32"),
        (saved(TABLE.astype(complex)), "holds <c16"),
        (saved(np.asfortranarray(TABLE)), "Fortran order"),
        (saved(np.empty((0, 3), np.float32)), "one row and one number are the least"),
        (saved(np.empty((1, 70_000), np.float32)), "65536 numbers the most"),
        (saved(np.zeros((2, 2), [("a", "<f4"), ("b", "<f4")])), "header can't be read"),
        (b"\x93NUMPY\x04\x00" + saved(TABLE)[8:], "version 4.0"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(99), "header has 4294967295 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_table_of_vectors_is_refused(data, why):
    with pytest.raises(InvalidInput, match=why):
        read(data)


class Loud:
    """Tells of it when it is unpickled."""

    heard = False

    def __reduce__(self):
        return (_shout, ())


def _shout():
    Loud.heard = True


def test_objects_are_never_unpickled():
    data = saved(np.array([[Loud(), Loud()]], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidInput, match=r"holds \|O"):
        read(data)
    assert not Loud.heard
    pickle.loads(pickle.dumps(Loud()))  # noqa: S301 - it would have been heard.
    assert Loud.heard


def test_what_the_header_announces_takes_no_memory_before_the_file_has_it():
    header = npy_header(10**9, 65_536)
    with pytest.raises(InvalidInput, match="announces 2621440"):
        read(header + bytes(100))


@given(data=st.binary(max_size=300))
def test_any_bytes_are_refused_or_read(data):
    _refused_or_read(data)
    _refused_or_read(b"\x93NUMPY" + data)
    length = len(data).to_bytes(2, "little")
    _refused_or_read(b"\x93NUMPY\x01\x00" + length + data)


WORDS = ["{", "}", "(", ")", ",", ":", "'descr'", "'fortran_order'", "'shape'", "'<f4'", "'|O'"]
WORDS += ["True", "False", "4", "3", "-1", "9" * 40, " ", "\n", "__import__('os')", "[" * 50, "é"]


@given(words=st.lists(st.sampled_from(WORDS), max_size=40))
def test_any_header_is_refused_or_read(words):
    text = "".join(words).encode()
    for body in (b"", bytes(48)):
        length = len(text).to_bytes(2, "little")
        _refused_or_read(b"\x93NUMPY\x01\x00" + length + text + body)


@given(at=st.integers(0, 127), to=st.integers(0, 255))
def test_one_wrong_byte_is_refused_or_read(at, to):
    data = bytearray(saved(TABLE))
    data[at] = to
    _refused_or_read(bytes(data))


def _refused_or_read(data: bytes) -> None:
    why = None
    try:
        found = read(data)
    except InvalidInput as error:
        why = error.detail
    if why is None:
        assert (found.ndim, found.dtype) == (2, np.float32)
    else:
        assert re.fullmatch(r"(?s)f\.npy can't be used: .+\.", why)
