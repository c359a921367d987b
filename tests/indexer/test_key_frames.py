"""Videos are found by their key frames, and hits tell the time."""

import io
import threading

import numpy as np
import pytest
from PIL import Image

from services.indexer.care.backup import BackupWriter, restore
from services.indexer.care.check import findings
from services.indexer.care.finding import Kind
from services.indexer.care.folder import opened
from services.indexer.care.repair import Repair
from services.indexer.catalog.frames import Frames
from services.indexer.catalog.lease_fence import LeaseLost
from services.indexer.storage.image_files import ImageFiles
from shared.clients import curation, indexer, query
from shared.contracts.indexer import ReembedRequest
from shared.contracts.jobs import JobKind, JobState
from shared.contracts.query import Metric
from shared.core import failpoints
from shared.core.errors import BadImage
from shared.media.identity import content_id
from shared.media.images import key_frames
from shared.media.limited.scaler import Scaler
from shared.snapshots.store import SnapshotStore
from tests.indexer.running import until
from tests.indexer.training import tagged_folder, train
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
    """Wait until the frames of all videos are published; give the job."""
    table, frames = service.parts.job_table, Frames(service.parts.database)

    def done():
        last, manifest = table.latest(JobKind.FRAMES), service.parts.current.manifest()
        assert last is None or last.state is not JobState.FAILED, last.error
        # One that another job ended may have recorded all that it found.
        is_published = manifest.visual and manifest.revision >= frames.revision()
        if last is None or table.any_open() or not is_published:
            return None
        models = {manifest.visual.fingerprint, manifest.matching_fingerprint} - {None}
        return None if any(next(frames.lacking(one), None) for one in models) else last

    return until(done)


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


def test_pages_filters_and_deletions_hold_for_videos_too(service, folder_of):
    clip = film(1, 2)
    files = {f"{n}.png": n for n in range(5, 25)}
    service.ingest(folder_of({"a/clip.mp4": clip, **files}), tags_from="folder")
    framed(service)
    its, asked = content_id(clip), png(shot(2))
    whole = [hit.id for hit in hits(service, asked, limit=21)]
    assert len(whole) == len(set(whole)) == 21
    pages = [hits(service, asked, limit=5, offset=start) for start in range(0, 25, 5)]
    assert [hit.id for page in pages for hit in page] == whole
    first = service.ask(query.search_image(asked, limit=5))
    second = service.ask(query.search_image(asked, limit=5, cursor=first.next))
    assert [hit.id for hit in (*first.hits, *second.hits)] == whole[:10]
    # In the order of score, whatever the poster's own is.
    scores = [hit.score for hit in hits(service, asked, limit=21, rerank="none")]
    assert scores == sorted(scores, reverse=True)
    with_vector = hits(service, asked, limit=1, with_vector=True)[0]
    assert with_vector.id == its
    again = service.ask(query.search_vector(with_vector.vector, limit=1, rerank="none")).hits[0]
    assert (again.id, again.score) == (its, pytest.approx(1, abs=1e-5))
    is_tagged = {"must": [{"tag": "a"}]}
    assert [hit.id for hit in hits(service, asked, filter=is_tagged)] == [its]
    is_other = {"must_not": [{"tag": "a"}]}
    assert its not in [hit.id for hit in hits(service, asked, filter=is_other, limit=30)]
    service.send(indexer.delete_image(its))
    assert its not in [hit.id for hit in hits(service, asked, limit=30)]
    # Back from the trash, it is found by its frames again.
    service.send(curation.restore_images([its]))
    until(lambda: hits(service, asked, limit=1)[0].time_s == 2)


def test_a_tag_finds_a_video_by_its_nearest_frame(service, folder_of):
    root = tagged_folder(folder_of)
    (root / "dog" / "clip.mp4").write_bytes(clip := film(1, 2, 3))
    service.ingest(root, tags_from="folder")
    train(service)
    framed(service)
    answer = service.ask(query.search_term("dog", limit=30))
    assert answer.mode == "tag"
    (its,) = (hit for hit in answer.hits if hit.id == content_id(clip))
    assert its.time_s in (0, 2, 4)
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)
    spaces = [one.space for one in SnapshotStore(service.data).current().frames]
    assert spaces == ["visual", "joint"]
    # Another network, another space: its frames are projected anew.
    service.build(clusters=3)
    assert [one.space for one in SnapshotStore(service.data).current().frames] == spaces


def test_frames_are_backed_up_checked_and_repaired(service_at, embedder, folder_of, tmp_path):
    data, clip = tmp_path / "data", film(1, 2, 3)
    embedder.mount(data)
    with service_at(data, embedder.url) as service:
        service.ingest(folder_of({"clip.mp4": clip, **{f"{n}.png": n for n in range(5, 12)}}))
        framed(service)
    with opened(data, f"sqlite:///{data}/catalog.sqlite") as folder:
        BackupWriter(folder, tmp_path / "backup").write()
    restore(tmp_path / "backup", again := tmp_path / "again")
    for place in (data, again):
        with opened(place, f"sqlite:///{place}/catalog.sqlite") as folder:
            assert list(findings(folder)) == []
    damaged = next(again.glob("segments/frames-*"))
    damaged.write_bytes(damaged.read_bytes()[:-100] + bytes(100))
    with opened(again, f"sqlite:///{again}/catalog.sqlite") as folder:
        assert [finding.kind for finding in findings(folder)] == [Kind.LABELS]
        for deed in Repair(folder).plan():
            deed.do and deed.do()
    embedder.mount(again)
    with service_at(again, embedder.url) as service:
        service.add(("new.png", png(shot(99))))
        first = hits(service, png(shot(3)), limit=1)[0]
        assert (first.id, first.time_s) == (content_id(clip), 4)


def test_a_video_that_shows_nothing_is_tried_once(service, folder_of, monkeypatch):
    service.ingest(folder_of({"clip.mp4": film(1), "2.png": 5}))
    framed(service)
    tried = []
    real = service.parts.files.key_frames

    def key_frames_of(image_id, *rest):
        tried.append(image_id)
        if len(tried) == 1:
            raise BadImage("The decoder broke down over it, twice.")
        return real(image_id, *rest)

    monkeypatch.setattr(service.parts.files, "key_frames", key_frames_of)
    (item,) = service.add(("other.mp4", film(2)))
    job = framed(service)
    until(lambda: tried)
    job = framed(service)
    assert (job.result["failed"], job.result["frames"]) == (1, 0)
    assert hits(service, png(shot(2)), limit=1)[0].id == item.id
    service.add(("third.png", png(shot(3))))
    until(lambda: not service.parts._framing.is_due(was_preempted=False))
    assert tried == [item.id]


def test_a_large_video_is_read_in_parts(service_at, embedder, folder_of, tmp_path):
    """Its bytes are over the limit of pictures, as those of most videos."""
    clip, limit = film(1, 2, 3), 2**12
    assert len(clip) > limit
    root = folder_of({"clip.mp4": clip, "not.bin.png": bytes(limit + 1), "2.png": 5})
    other = video("MKV", frames=[shot(seed) for seed in range(30, 34) for _ in range(8)])
    assert len(other) > limit
    (root / "clip.mkv").write_bytes(other)
    embedder.mount(tmp_path / "data")
    options = {"max_image_bytes": limit, "max_video_bytes": 2**14}
    with service_at(tmp_path / "data", embedder.url, **options) as service:
        job = service.ingest(root)
        assert (job.result["embedded"], job.result["failed"]) == (3, 1), service.reasons(job)
        (refused,) = service.reasons(job).values()
        assert "ISE_MAX_IMAGE_BYTES" in refused
        framed(service)
        image = service.send(indexer.get_image(its := content_id(clip)))
        assert (image.file.format, image.file.bytes) == ("MP4", len(clip))
        assert image.file.duration_s == pytest.approx(6, abs=0.2)
        assert service.send(indexer.get_thumbnail(its))[1] == "image/jpeg"
        for seed, second in ((2, 2), (3, 4)):
            first = hits(service, png(shot(seed)), limit=1)[0]
            assert (first.id, first.time_s) == (its, second)
        assert service.ingest(root).result["already_there"] == 3
        (root / "moved").mkdir()
        (root / "clip.mp4").rename(root / "moved" / "clip.mp4")
        moved = service.ingest(root, sync=True)
        assert moved.result["embedded"] == 0
        assert hits(service, png(shot(2)), limit=1)[0].uri == "moved/clip.mp4"


def test_a_large_video_that_could_not_be_read_once_is_tried_again(
    service_at, embedder, folder_of, tmp_path, monkeypatch
):
    clip, limit = film(1, 2, 3), 2**12
    root = folder_of({"clip.mp4": clip})
    embedder.mount(tmp_path / "data")

    def failing(*_):
        raise BadImage("The video can't be read: [Errno 5] Input/output error.")

    with service_at(tmp_path / "data", embedder.url, max_image_bytes=limit) as service:
        with monkeypatch.context() as patched:
            patched.setattr(Scaler, "thumbnail", failing)
            assert service.ingest(root, build=False).result["failed"] == 1
        assert service.ingest(root, build=False).result["embedded"] == 1


def test_videos_join_the_candidates_of_a_large_index_of_several_segments(service, folder_of):
    """Their posters are unlike what is asked, so no scan of the index finds them."""
    clip, other = film(1, 2, 3), film(11, 12, 13)
    service.ingest(folder_of({"clip.mp4": clip, **{f"{n}.png": n for n in range(100, 300)}}))
    # Uploads become segments of their own.
    service.add(("other.mp4", other), ("new.png", png(shot(99))))
    framed(service)
    assert len(service.parts.current.manifest().visual.postings) > 1
    for data, seed, second in ((clip, 2, 2), (clip, 3, 4), (other, 12, 2), (other, 13, 4)):
        for options in ({"limit": 3}, {"limit": 3, "nprobe": 1}, {"limit": 203}):
            first, *rest = hits(service, png(shot(seed)), **options)
            assert (first.id, first.time_s) == (content_id(data), second), options
            assert len({one.id for one in rest} | {first.id}) == options["limit"]
    asked = png(shot(13))
    whole = [hit.id for hit in hits(service, asked, limit=203)]
    pages = [hits(service, asked, limit=50, offset=start) for start in range(0, 250, 50)]
    assert [hit.id for page in pages for hit in page] == whole


def test_videos_are_found_by_frames_after_a_roll_back(service, folder_of):
    clip = film(1, 2, 3)
    service.ingest(folder_of({"clip.mp4": clip, **{f"{n}.png": n for n in range(5, 25)}}))
    before = service.parts.current.manifest().number
    framed(service)
    service.build(clusters=2)
    service.send(indexer.activate_snapshot(before))
    # Also where that snapshot had none yet.
    until(lambda: hits(service, png(shot(3)), limit=1)[0].time_s == 4)
    service.send(indexer.delete_image(content_id(clip)))
    service.send(indexer.activate_snapshot(before))
    assert content_id(clip) not in [one.id for one in hits(service, png(shot(3)), limit=30)]
    service.send(curation.restore_images([content_id(clip)]))
    until(lambda: hits(service, png(shot(3)), limit=1)[0].time_s == 4)
    numbers = {one.ordinal for one in stored(service)}
    assert numbers == {service.parts.images.ordinal(content_id(clip))}


def stored(service):
    """The key frames of all videos, of the model in use."""
    table = Frames(service.parts.database)
    model = service.parts.current.manifest().visual.fingerprint
    ordinals, _ = table.since(model, 0)
    return [one for some in table.read(model, ordinals) for one in some]


def test_frames_are_made_anew_for_another_model(
    service_at, embedder, other_embedder, folder_of, tmp_path
):
    clip = film(1, 2, 3)
    for one in (embedder, other_embedder):
        one.mount(tmp_path / "data")
    with service_at(tmp_path / "data", f"{embedder.url},{other_embedder.url}") as service:
        service.ingest(folder_of({"clip.mp4": clip, **{f"{n}.png": n for n in range(5, 25)}}))
        framed(service)
        former = service.parts.current.manifest().visual.fingerprint
        (before,) = stored(service)
        service.succeeded(service.send(indexer.reembed_index(ReembedRequest())))
        assert service.parts.current.manifest().visual.fingerprint != former
        framed(service)
        (after,) = stored(service)
        assert list(after.times) == list(before.times)
        assert not np.allclose(after.features, before.features)
        first = hits(service, png(shot(2)), limit=1)[0]
        assert (first.id, first.time_s) == (content_id(clip), 2)


def test_a_job_that_is_killed_in_the_middle_goes_on_and_does_nothing_twice(
    service_at, embedder, folder_of, tmp_path, monkeypatch
):
    clips = {f"{n}.mp4": film(n, n + 50) for n in range(1, 12)}
    data, tried, killed = tmp_path / "data", [], threading.Event()
    embedder.mount(data)
    reach, key_frames_of = failpoints.reach, ImageFiles.key_frames

    def kill(name):
        reach(name)
        if name == "frames.recorded" and not killed.is_set():
            killed.set()
            # As a process that is killed: nothing more of it is written.
            raise LeaseLost("killed")

    def counted(files, image_id, *rest):
        tried.append(image_id)
        return key_frames_of(files, image_id, *rest)

    monkeypatch.setattr(failpoints, "reach", kill)
    monkeypatch.setattr(ImageFiles, "key_frames", counted)
    with service_at(data, embedder.url) as service:
        service.ingest(folder_of(clips))
        assert until(killed.is_set) or killed.is_set()
    with service_at(data, embedder.url) as service:
        framed(service)
        assert sorted(tried) == sorted(content_id(clip) for clip in clips.values())
        found = stored(service)
        assert len(found) == len({one.ordinal for one in found}) == len(clips)
        first = hits(service, png(shot(57)), limit=1)[0]
        assert (first.id, first.time_s) == (content_id(clips["7.mp4"]), 2)
