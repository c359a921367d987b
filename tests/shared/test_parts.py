"""Work in parts on all cores, and products of a thread each meanwhile."""

import threading

import numpy as np
import pytest

from shared.maths import linear_algebra, parts
from shared.maths.linear_algebra import one_thread
from shared.maths.parts import in_parts


def threads_of_products():
    return [
        one["num_threads"]
        for one in linear_algebra._libraries().info()
        if one["user_api"] == "blas"
    ]


@pytest.mark.parametrize("processors", [1, 3])
@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 100])
def test_parts_cover_all_rows_in_order(monkeypatch, processors, rows):
    monkeypatch.setattr(parts, "processors", lambda: processors)
    found = in_parts(lambda part: np.arange(rows)[part], rows, 8)
    assert np.array_equal(np.concatenate([[], *found]), np.arange(rows))


def test_an_error_in_a_part_is_raised(monkeypatch):
    monkeypatch.setattr(parts, "processors", lambda: 2)
    with pytest.raises(ZeroDivisionError):
        in_parts(lambda part: 1 // (part.start - 8), 20, 4)


def test_threads_that_work_within_leave_the_limit_to_the_one_that_set_it():
    def within():
        with one_thread():
            pass

    before = threads_of_products()
    with one_thread():
        other = threading.Thread(target=within)
        other.start()
        other.join()
        assert set(threads_of_products()) == {1}
    assert threads_of_products() == before
