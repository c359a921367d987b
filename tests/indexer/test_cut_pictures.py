"""A picture that ends early is taken in, with a note."""

import io
import re

import numpy as np
from PIL import Image

from shared.clients import indexer


def cut_jpeg(seed, part):
    noise = np.random.default_rng(seed).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "JPEG")
    whole = out.getvalue()
    return whole[: int(len(whole) * part)]


def test_a_picture_that_ends_early_is_taken_in_with_a_note(service, folder_of):
    root = folder_of({"dog/a.png": 1, "dog/b.png": 2})
    (root / "dog/cut.jpg").write_bytes(cut_jpeg(1, 0.9))
    (root / "dog/stump.jpg").write_bytes(cut_jpeg(2, 0.2))
    job = service.ingest(root, build=False)
    assert job.result["embedded"] == 3
    [told] = job.result["file_notes"]
    assert told["path"] == "dog/cut.jpg"
    assert re.fullmatch(r"The file ends early; 8[0-9] % of it was read\.", told["note"])
    [failure] = service.send(indexer.list_job_failures(job.id)).failures
    assert re.search(r"only [0-9]+ % of it can be read", failure.reason)
    assert len(service.tagged("dog")) == 3


def test_an_upload_that_ends_early_is_added_with_a_note(service, picture):
    whole, cut = service.add(picture(0), cut_jpeg(3, 0.9))
    assert whole.note is None
    assert cut.state == "added"
    assert cut.note.startswith("The file ends early; ")
    assert service.send(indexer.get_image(cut.id)).metadata == {}
    assert service.send(indexer.get_thumbnail(cut.id))
