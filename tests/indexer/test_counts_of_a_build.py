"""A build of tagged pictures learns to count; searches then tell how many match."""

import io

import numpy as np
import pytest
from PIL import Image

from shared.clients import query
from shared.contracts.indexer import BuildSettings

KINDS, SIZE = 8, 8


def _picture(kind: int, number: int) -> bytes:
    """Blocks of a kind's colours, a little different in each picture."""
    blocks = np.random.default_rng(kind).integers(0, 256, (4, 5, 3))
    noise = np.random.default_rng(1000 + 50 * kind + number).integers(-25, 26, (4, 5, 3))
    pixels = np.clip(blocks + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((48, 36), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.slow
def test_a_build_learns_to_count_and_answers_tell(service):
    for kind in range(KINDS):
        service.add(*(_picture(kind, n) for n in range(SIZE)), tags=[f"kind {kind}"])
    before = service.ask(query.search_image(_picture(0, 0)))
    assert (before.expected, before.present) == (None, None)
    assert service.build(**BuildSettings(clusters=2).model_dump()).result is not None
    answer = service.ask(query.search_image(_picture(0, 0)))
    # Whether counts beat a guess depends on the pictures; a list that holds the picture is certain.
    assert answer.present == 1.0
    promised = service.ask(query.search_image(_picture(0, 0), guarantee=0.5))
    assert promised.guarantee is not None
    assert promised.guarantee.met
    assert promised.hits
    tagged = service.ask(query.search_term("kind 3"))
    assert tagged.expected is not None
    assert tagged.expected.low <= tagged.expected.matches <= tagged.expected.high <= SIZE
