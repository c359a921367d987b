import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shared.core.errors import Corrupt, Unavailable
from shared.files.mapped import MappedFile, MappedWriter, write_arrays
from tests import open_files

DTYPES = st.sampled_from(["<f4", "<f8", "<i8", "|u1", "<u8", "<i4"])
SHAPES = st.one_of(st.tuples(st.integers(0, 40)), st.tuples(st.integers(0, 40), st.integers(0, 9)))


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c_d"]), arrays.arrays(DTYPES, SHAPES), min_size=1, max_size=3
    )
)
def test_arrays_come_back_as_they_were_whatever_their_type_and_shape(fresh, written):
    path = fresh() / "file.hdf5"
    write_arrays(path, written)
    file = MappedFile(path)
    for name, array in written.items():
        assert name in file
        assert file[name].dtype == array.dtype
        assert file[name].shape == array.shape
        assert file[name].tobytes() == array.tobytes()
        assert not isinstance(file[name], np.memmap) or not file[name].flags.writeable
    with h5py.File(path) as plain:
        for name, array in written.items():
            assert plain[name].chunks is None
            assert plain[name].compression is None
            assert plain[name][()].tobytes() == array.tobytes()


def test_large_arrays_lie_on_pages_and_are_filled_in_any_order(tmp_path):
    path = tmp_path / "file.hdf5"
    writer = MappedWriter(path)
    writer.declare("small", "|u1", (3,))
    writer.declare("large", "<f4", (4096, 3))
    targets = writer.allocate()
    wanted = np.arange(4096 * 3, dtype="<f4").reshape(-1, 3)
    for start in (2048, 0):
        targets["large"][start : start + 2048] = wanted[start : start + 2048]
    targets["small"][:] = 7
    for target in targets.values():
        target.flush()
    file = MappedFile(path)
    assert np.array_equal(file["large"], wanted)
    assert file["large"].offset % 4096 == 0


def test_a_dataset_that_is_not_there_is_named(tmp_path):
    write_arrays(tmp_path / "file.hdf5", {"a": np.zeros(1)})
    file = MappedFile(tmp_path / "file.hdf5")
    assert "b" not in file
    with pytest.raises(Corrupt, match=r"file.hdf5 has no dataset 'b'"):
        file["b"]


@pytest.mark.parametrize("content", [None, b"", b"not an HDF5 file", b"\x89HDF\r\n\x1a\n"])
def test_what_is_no_such_file_is_corrupt(tmp_path, content):
    path = tmp_path / "file.hdf5"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Corrupt, match=r"file\.hdf5"):
        MappedFile(path)


def test_a_file_that_can_not_be_opened_now_is_not_called_damaged(tmp_path):
    path = tmp_path / "file.hdf5"
    write_arrays(path, {"a": np.arange(5)})
    with open_files.no_more(), pytest.raises(Unavailable, match="Too many open files"):
        MappedFile(path)
    assert MappedFile(path)["a"].tolist() == list(range(5))


@pytest.mark.parametrize("layout", ["chunks", "group", "compact"])
def test_what_can_not_be_mapped_is_corrupt(tmp_path, layout):
    path = tmp_path / "file.hdf5"
    with h5py.File(path, "w") as file:
        if layout == "chunks":
            file.create_dataset("a", data=np.arange(10), chunks=(5,))
        elif layout == "group":
            file.create_group("a")
        else:
            plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plan.set_layout(h5py.h5d.COMPACT)
            space = h5py.h5s.create_simple((4,))
            h5py.h5d.create(file.id, b"a", h5py.h5t.NATIVE_INT64, space, dcpl=plan)
    with pytest.raises(Corrupt):
        MappedFile(path)


@given(st.data())
def test_a_truncated_file_is_corrupt(fresh, data):
    path = fresh() / "file.hdf5"
    write_arrays(path, {"a": np.arange(2000), "b": np.ones(3)})
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(Corrupt):
        MappedFile(path)


@given(st.data())
def test_a_file_with_a_flipped_bit_is_read_or_corrupt_and_never_another_error(fresh, data):
    path = fresh() / "file.hdf5"
    write_arrays(path, {"a": np.arange(5), "b": np.ones((2, 3), np.float32)})
    damaged = bytearray(path.read_bytes())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(damaged)
    try:
        MappedFile(path)
    except Corrupt as error:
        assert "file.hdf5" in error.detail  # noqa: PT017
