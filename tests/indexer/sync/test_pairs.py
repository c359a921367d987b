"""A RAW and its JPEG, one image, when a model embeds it anew or a sync takes it in parts."""

import threading

import pytest
from sqlalchemy import delete

from services.indexer.catalog.schema import features
from services.indexer.jobs.context import JobContext
from services.indexer.sync import runner
from services.indexer.workflows.reembedding import Reembedding
from services.indexer.workflows.unembeddable import Unembeddable
from tests.indexer.sync.sources import folder, image, tag


@pytest.fixture
def pair(here, root):
    folder(root, {"1.jpg": "jpeg", "1.nef": "raw", "2.jpg": "other"})
    here.images.keeps_deleted = True
    here.sync(root)
    tag(here, "jpeg", "mine")
    return root


@pytest.mark.parametrize("left", ["1.jpg", "1.nef"])
def test_what_is_left_of_a_pair_is_embedded_anew_as_the_same_image(here, pair, left):
    (pair / {"1.jpg": "1.nef", "1.nef": "1.jpg"}[left]).unlink()
    here.sync(pair)
    with here.database.write() as db:
        db.execute(delete(features))
    dropouts = Unembeddable(here.images, here.current, here.index.segments)
    again = Reembedding(here.images, here.files, dropouts, here.intake.take)
    job = JobContext(lambda *_: None, lambda *_: None, threading.Event(), "")
    assert again.embed(here.embedding.pair(), job).ids == set()
    assert image(here, "jpeg") == ([left], ["mine"])


def test_the_undo_of_a_sync_that_takes_a_pair_in_parts_brings_both_files_back(
    here, pair, monkeypatch
):
    monkeypatch.setattr(runner, "_AT_ONCE", 1)
    before = here.all()
    for name in ("1.jpg", "1.nef"):
        (pair / name).unlink()
    here.sync(pair, job_id="job")
    assert image(here, "jpeg") is None
    folder(pair, {"1.jpg": "jpeg", "1.nef": "raw"})
    here.undo("job")
    assert here.all() == before
    its = {place.uri: place.sha256 for place in here.images.places(id_at(before, "1.jpg"))}
    assert its["1.jpg"].startswith(id_at(before, "1.jpg"))
    assert its["1.jpg"] != its["1.nef"]


def id_at(found, uri):
    """The id of the image with this uri."""
    return next(image_id for image_id, (uris, _) in found.items() if uri in uris)
