"""What Milvus says becomes an error of ours that tells what to do."""

import pytest

from shared.core.errors import Corrupt, Unavailable
from shared.engines.engine import Refused
from shared.engines.milvus.server import Milvus, NotLoaded

exceptions = pytest.importorskip("pymilvus.exceptions")


@pytest.mark.parametrize(
    ("code", "said", "error"),
    [
        (100, "collection not found", Corrupt),
        (101, "collection not loaded", NotLoaded),
        (1100, "invalid parameter", Refused),
        (5, "service not ready", Unavailable),
        # Milvus 2.3 gives this code to any error.
        (65535, "invalid index type: IVF_RABITQ", Refused),
        (65535, "something else", Unavailable),
    ],
)
def test_the_kind_of_error(code: int, said: str, error: type[Exception]) -> None:
    milvus = Milvus("http://127.0.0.1:9")
    # One that is connected; what it is asked is raised below.
    milvus._client = object()
    with pytest.raises(error) as raised, milvus.asked():
        raise exceptions.MilvusException(code=code, message=said)
    assert type(raised.value) is error
