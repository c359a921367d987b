"""Videos are found by their key frames, and hits tell the time."""

import io

import numpy as np
import pytest
from PIL import Image

from services.indexer.catalog.frames import Frames
from services.indexer.workflows.frames_job import FRAMES_REASON
from shared.clients import indexer, query
from shared.contracts.jobs import JobKind, JobState
from shared.contracts.query import Metric
from shared.media.identity import content_id
from shared.media.images import key_frames
from tests.indexer.running import until
from tests.shared.video_files import turned, video

SIDE = (192, 128)


def shot(seed):
    """A picture of coarse patches, unlike those of other seeds."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize(SIDE, Image.Resampling.NEAREST)


def png(image):
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def film(*seeds, seconds=2):
    """A video that shows one picture after the other, each for some seconds."""
    return video("MP4", frames=[shot(seed) for seed in seeds for _ in range(8 * seconds)])


def framed(service):
    """Wait until the frames of all videos are published."""
    table, parts = service.parts.job_table, service.parts

    def is_done():
        last = table.latest(JobKind.FRAMES)
        return last is not None and last.state.ended and not table.any_open()

    until(is_done)
    last = parts.job_table.latest(JobKind.FRAMES)
    assert last.state is JobState.SUCCEEDED, last.error
    return last


def hits(service, picture, **options):
    return service.ask(query.search_image(picture, **options)).hits


def test_frames_that_differ_are_chosen_with_their_times():
    found = key_frames(film(1, 2, 3), 10**7, 8, 640)
    assert [frame.time_s for frame in found] == [0, 2, 4]
    for frame, seed in zip(found, (1, 2, 3), strict=True):
        assert np.abs(np.asarray(frame.image, int) - np.asarray(shot(seed), int)).mean() < 12
    assert len(key_frames(film(1, 2, 3, 4), 10**7, 2, 640)) == 2
    # Black and repeated ones tell nothing.
    black = [Image.new("RGB", SIDE)] * 16
    again = video("MKV", frames=black + [shot(1)] * 32 + black)
    assert [frame.time_s for frame in key_frames(again, 10**7, 8, 640)] == [2]
    (upright,) = key_frames(turned(film(7), 1), 10**7, 8, 640)
    assert upright.image.size == SIDE[::-1]


def test_a_video_is_found_by_each_of_its_frames(service, folder_of):
    clip = film(1, 2, 3)
    service.ingest(folder_of({"clip.mp4": clip, **{f"{n}.png": n for n in range(5, 25)}}))
    job = framed(service)
    assert (job.result["videos"], job.result["frames"], job.result["failed"]) == (1, 3, 0)
    for metric in Metric:
        for seed, second in ((1, 0), (2, 2), (3, 4)):
            first, *others = hits(service, png(shot(seed)), limit=5, metric=metric)
            assert (first.id, first.time_s) == (content_id(clip), second)
            assert all(one.time_s is None for one in others)
            assert first.relevance >= others[0].relevance
    # Itself it stays, by the video's own bytes and by its id.
    assert hits(service, clip, limit=1)[0].score >= 0.999
    own = service.ask(query.search_id(content_id(clip), limit=2)).hits[0]
    assert own.id == content_id(clip)
    assert own.score == pytest.approx(1, abs=1e-5)
    assert own.time_s in (0, 2, 4)
