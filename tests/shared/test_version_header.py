"""The version in the header of answers."""

import errno

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from shared.core.errors import Corrupt
from shared.snapshots.version import HEADER, Version
from shared.web.version import VersionMiddleware


def answer(error: Exception | None = None, path: str = "/v1/done") -> tuple[int, str | None]:
    app = FastAPI()

    @app.get(path)
    async def done() -> str:
        return "done"

    def version() -> Version:
        if error is not None:
            raise error
        return Version(12, 3)

    app.add_middleware(VersionMiddleware, version=version)
    found = TestClient(app).get(path)
    return found.status_code, found.headers.get(HEADER)


def test_answers_tell_it_and_others_do_not():
    assert answer() == (200, "12.3")
    assert answer(path="/ready") == (200, None)


@pytest.mark.parametrize("error", [Corrupt("damaged"), OSError(errno.EMFILE, "too many files")])
def test_what_was_done_is_told_though_the_version_can_not_be_read(error):
    assert answer(error) == (200, None)
