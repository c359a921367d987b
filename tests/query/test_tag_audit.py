"""An audit finds tags that were made wrong, and pictures that lack one."""

import numpy as np
import pytest

from shared.snapshots.items import Item

KINDS, SIZE, DIM = 10, 12, 16
LABELS = np.repeat(np.arange(KINDS), SIZE)
WRONG = {3: 7, 40: 0, 77: 2, 110: 5}
BARE = [15, 60]


@pytest.fixture(scope="module")
def service(fresh_library, serve):
    """Tagged kinds, four pictures with a wrong tag and two without any."""
    library = fresh_library()
    rng = np.random.default_rng(11)
    centres = rng.normal(size=(KINDS, DIM))
    vectors = (centres[LABELS] + rng.normal(size=(len(LABELS), DIM)) * 0.5).astype(np.float32)

    def tags(number: int) -> list[str]:
        return [] if number in BARE else [f"Kind_{WRONG.get(number, int(LABELS[number]))}"]

    items = [Item(i, f"img-{i:03d}", tags(i), [f"{i}.jpg"], {}) for i in range(len(LABELS))]
    library.publish(items, visual=library.space(vectors, 4))
    return serve(library)


def test_wrong_tags_come_first_with_the_better_one(service):
    found = service.get("/v1/tags/audit", limit=4)["found"]
    assert {one["id"] for one in found} == {f"img-{i:03d}" for i in WRONG}
    for one in found:
        number = int(one["id"].removeprefix("img-"))
        assert one["tag"] == f"Kind_{WRONG[number]}"
        assert one["rather"] == f"Kind_{LABELS[number]}"
    gains = [one["gain"] for one in found]
    assert gains == sorted(gains, reverse=True)


def test_pictures_that_lack_a_tag_are_found(service):
    found = service.get("/v1/tags/audit", kind="missing", limit=30)["found"]
    pairs = {(one["id"], one["tag"]) for one in found}
    assert {(f"img-{i:03d}", f"Kind_{LABELS[i]}") for i in (*WRONG, *BARE)} & pairs
    assert all(one["rather"] is None for one in found)


def test_a_collection_without_tags_has_nothing_to_audit(library, serve):
    items = [Item(i, str(i), [], [], {}) for i in range(4)]
    library.publish(items, visual=library.space(np.eye(4, 8, dtype=np.float32)))
    assert serve(library).get("/v1/tags/audit")["found"] == []
