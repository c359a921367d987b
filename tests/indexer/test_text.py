"""Text in pictures: read by a job that starts by itself, kept, published, and found by terms."""

import threading
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest

from services.indexer.care.backup import BackupWriter, restore
from services.indexer.care.check import findings
from services.indexer.care.finding import Kind
from services.indexer.care.folder import opened
from services.indexer.care.repair import Repair
from services.indexer.catalog.texts import Texts
from services.indexer.jobs.context import Cancelled, JobContext
from services.indexer.reading.reader import is_installed
from services.indexer.workflows.text_job import READ_REASON, ReadingUpkeep, TextJob
from shared.clients import curation, indexer, query
from shared.contracts.curation import BulkRequest
from shared.contracts.jobs import JobKind, JobState
from shared.contracts.text import TextRequest, Word
from shared.core.errors import InvalidInput, UnknownTerm
from shared.media.identity import content_id
from shared.snapshots.store import SnapshotStore
from shared.snapshots.texts import packed
from tests.indexer.running import until
from tests.indexer.signs import sign
from tests.indexer.training import tagged_folder, train

needs_ocr = pytest.mark.skipif(not is_installed(), reason="the extra `ocr` is not installed")


def unread(service):
    """All images, as none has another reader's words."""
    return Texts(service.parts.database).lacking("nobody")


def say(service, image_id, text, confidence=1.0):
    """Record words as if they had been read, all in one line."""
    every = {one: ordinal for some in unread(service) for ordinal, one in some}
    ordinal = every[image_id]
    words = [
        Word(
            text=word,
            confidence=confidence,
            line=0,
            box=[[0.1 * at, 0.2], [0.1 * at + 0.1, 0.2], [0.1 * at + 0.1, 0.3], [0.1 * at, 0.3]],
        )
        for at, word in enumerate(text.split())
    ]
    Texts(service.parts.database).put({ordinal: [packed(one) for one in words]}, "told")
    service.parts.publisher.publish_pending(READ_REASON)


def ids(answer):
    return [hit.id for hit in answer.hits]


def asked(service, term, **options):
    return service.ask(query.search_term(term, **options))


@pytest.fixture
def texts(service, picture):
    """A service with six pictures, four of which show words; gives it and their ids."""
    made = [item.id for item in service.add(*map(picture, range(6)))]
    say(service, made[0], "Emergency EXIT only")
    say(service, made[1], "exit ramp")
    say(service, made[2], "Only in an emergency take the exit", confidence=0.8)
    say(service, made[3], "Café Müller 1998")
    return service, made


def test_words_in_quotation_marks_mean_text(texts):
    service, made = texts
    answer = asked(service, '"emergency exit only"')
    assert answer.mode == "text"
    # Side by side and surest first; then the same words elsewhere.
    assert ids(answer) == [made[0], made[2]]
    assert [hit.score for hit in answer.hits] == sorted(
        (h.score for h in answer.hits), reverse=True
    )
    assert [word.text for word in answer.hits[0].text] == ["Emergency", "EXIT", "only"]
    assert answer.hits[0].text[1].box[0] == pytest.approx([0.1, 0.2], abs=1e-3)
    assert (answer.recall.expected, answer.complete) == (1.0, True)
    assert asked(service, "\u201cexit\u201d").mode == "text"
    assert ids(asked(service, '"nowhere"')) == []


def test_case_accents_and_slips_do_not_matter_but_digits_do(texts):
    service, made = texts
    assert ids(asked(service, '"CAFE"')) == ids(asked(service, '"muller"')) == [made[3]]
    near = asked(service, '"emergancy"')
    assert set(ids(near)) == {made[0], made[2]}
    assert near.hits[0].score < asked(service, '"emergency"').hits[0].score
    assert ids(asked(service, '"emergancy"', exact_term=True)) == []
    assert ids(asked(service, '"1998"')) == [made[3]]
    assert ids(asked(service, '"1999"')) == []


def test_a_term_that_is_no_tag_finds_text_where_its_meaning_is_unknown(texts):
    service, made = texts
    answer = asked(service, "ramp")
    assert (answer.mode, ids(answer)) == ("text", [made[1]])
    with pytest.raises(UnknownTerm):
        asked(service, "qqzzq")


def test_a_tag_goes_before_text(texts):
    service, made = texts
    service.send(tagging(made[5], "ramp"))
    answer = asked(service, "ramp")
    assert (answer.mode, ids(answer)) == ("tag", [made[5]])
    assert ids(asked(service, '"ramp"')) == [made[1]]


def tagging(image_id, tag):
    return curation.change_images(BulkRequest(ids=[image_id], add_tags=[tag]))


def test_pages_filters_dates_and_deletions_hold_for_text(texts):
    service, made = texts
    pages, cursor = [], None
    while True:
        page = asked(service, '"exit"', limit=1, cursor=cursor)
        pages += ids(page)
        if (cursor := page.next) is None:
            break
    whole = ids(asked(service, '"exit"'))
    assert pages == whole
    assert set(whole) == {made[0], made[1], made[2]}
    assert ids(asked(service, '"exit"', offset=1)) == whole[1:]
    service.send(tagging(made[1], "kept"))
    assert ids(asked(service, '"exit"', filter={"must": [{"tag": "kept"}]})) == [made[1]]
    by_date = asked(service, '"exit"', sort="added")
    assert set(ids(by_date)) == set(whole)
    service.send(indexer.delete_image(made[1]))
    assert set(ids(asked(service, '"exit"'))) == {made[0], made[2]}
    # What is published later has them no more, and a second reading replaces the first.
    say(service, made[0], "No way out")
    assert ids(asked(service, '"exit"')) == [made[2]]
    for number in range(8):
        say(service, made[4], f"again{number}")
    files = SnapshotStore(service.data).current().texts.files
    assert len(files) <= 6
    assert ids(asked(service, '"exit"')) == [made[2]]
    assert ids(asked(service, '"again7"')) == [made[4]]
    assert ids(asked(service, '"again6"', exact_term=True)) == []
    service.ask(query.get_image(made[0]))
    assert [word.text for word in service.ask(query.get_image(made[0])).text] == [
        "No",
        "way",
        "out",
    ]


def test_text_in_quotation_marks_is_searched_alone(texts):
    service, made = texts
    with pytest.raises(InvalidInput, match='search "exit" alone'):
        service.ask(query.search(parts=[{"term": '"exit"'}, {"id": made[0]}]))
    answer = service.ask(query.search(parts=[{"term": '"exit"'}]))
    assert answer.mode == "text"


def test_damaged_text_is_written_anew_and_a_backup_holds_it(start, picture, tmp_path):
    with start() as service:
        (shown,) = [item.id for item in service.add(picture(1))]
        say(service, shown, "emergency exit")
        data, url = service.data, service.settings.catalog_url
    with opened(data, url) as folder:
        BackupWriter(folder, tmp_path / "backup").write()
    restore(tmp_path / "backup", tmp_path / "restored")
    kept = SnapshotStore(tmp_path / "restored")
    for file in kept.current().texts.files:
        kept.verified(file)
    (file,) = SnapshotStore(data).current().texts.files
    path = data / "segments" / file.name
    path.write_bytes(path.read_bytes()[:-8] + b"damaged!")
    with opened(data, url) as folder:
        assert {(one.kind, one.path) for one in findings(folder)} == {(Kind.LABELS, path)}
        for deed in Repair(folder).plan():
            deed.do()
        assert folder.snapshots.current().texts is None
    with start() as service:
        service.add(picture(2))
        assert ids(asked(service, '"exit"')) == [shown]


@pytest.mark.parametrize("is_there", [True, False])
def test_the_next_publication_writes_damaged_text_anew(texts, picture, is_there):
    service, made = texts
    (*_, file) = SnapshotStore(service.data).current().texts.files
    path = service.data / "segments" / file.name
    data = path.read_bytes()
    path.unlink()
    if is_there:
        path.write_bytes(data[:-8] + b"damaged!")
    service.add(picture(20))
    (anew,) = SnapshotStore(service.data).current().texts.files
    SnapshotStore(service.data).verified(anew)
    assert anew.rows == 4
    assert set(ids(asked(service, '"exit"'))) == set(made[:3])


@needs_ocr
@pytest.mark.slow
def test_pictures_are_read_by_themselves_and_only_once(embedder, start, picture, monkeypatch):
    # The reader has the lowest priority: beside busy tests it gets the processor late.
    monkeypatch.setattr("tests.indexer.running.PATIENCE_S", 600)
    with start(embedder, ocr="auto") as service:
        shown = sign("Harbour Street 17", "turn left")
        service.add(shown, picture(1))
        # Its words are found a moment before the job has ended.
        reading = until(lambda: (job := latest(service)) and job.state.ended and job)
        answer = asked(service, '"harbour street 17"')
        assert ids(answer) == [content_id(shown)]
        (first, *_) = answer.hits[0].text
        assert first.text == "Harbour"
        assert 0 < first.box[0][0] < 0.2
        assert (reading.state, reading.result["read"]) == (JobState.SUCCEEDED, 2)
        assert (reading.result["failed"], reading.result["words"]) == (0, 5)
        # Nothing is left, so nothing starts again; a request reads what other versions have read.
        again = service.succeeded(service.send(indexer.read_text(TextRequest(again=True))))
        assert again.result["read"] == 0


def test_a_reading_that_made_room_before_it_read_anything_begins_again_at_once(
    start, embedder, picture
):
    with start(embedder, ocr="off") as service:
        service.add(picture(1))
        upkeep = ReadingUpkeep(service.parts.database, service.parts.job_table, is_on=True)
        assert upkeep.is_due(was_preempted=False)
        # As many pictures are unread as before, so another reading of them waits.
        assert not upkeep.is_due(was_preempted=False)
        assert upkeep.is_due(was_preempted=True)


def test_a_picture_whose_file_was_missing_is_read_when_it_is_asked_for_again(
    start, embedder, folder_of
):
    class Reading:
        name = "reader"

        @contextmanager
        def opened(self, *_):
            yield self

        def start(self):
            pass

        def read(self, data):
            return [Word(text="exit", confidence=1.0, line=0, box=[[0, 0], [1, 0], [1, 1], [0, 1]])]

    with start(embedder, ocr="off") as service:
        source = folder_of({"a.png": 1, "b.png": 2})
        service.ingest(source)
        parts = SimpleNamespace(images=service.parts.images, publisher=service.parts.publisher)
        job = TextJob(parts, service.parts.files, Reading())

        def result(again):
            done = job.run({"again": again}, JobContext.unwatched())
            return done["read"], done["failed"]

        (source / "b.png").rename(source / "away")
        assert result(again=False) == (1, 1)
        (source / "away").rename(source / "b.png")
        assert result(again=False) == (0, 0)
        assert result(again=True) == (1, 0)
        assert result(again=True) == (0, 0)
        assert len(ids(asked(service, '"exit"'))) == 2


@pytest.mark.parametrize("reads", [1, 2])
def test_a_reading_that_makes_room_keeps_what_it_has_read(start, embedder, picture, reads):
    class Reading:
        name = "reader"

        def __init__(self):
            self.read_of = []

        @contextmanager
        def opened(self, *_):
            yield self

        def start(self):
            pass

        def read(self, data):
            self.read_of.append(data)
            if len(self.read_of) % reads == 0:
                cancelled.set()
            return [Word(text="exit", confidence=1.0, line=0, box=[[0, 0], [1, 0], [1, 1], [0, 1]])]

    with start(embedder, ocr="off") as service:
        service.add(*map(picture, range(5)))
        parts = SimpleNamespace(images=service.parts.images, publisher=service.parts.publisher)
        job, texts = (
            TextJob(parts, service.parts.files, reader := Reading()),
            Texts(parts.images.database),
        )
        left = [texts.count_lacking(None)]
        while left[-1]:
            cancelled = threading.Event()
            context = JobContext(lambda *_: None, lambda *_: None, cancelled)
            with suppress(Cancelled):
                job.run({}, context)
            left.append(texts.count_lacking(None))
            assert left[-1] < left[-2]
        # Each of them once.
        assert len(reader.read_of) == len(set(reader.read_of)) == 5


def latest(service):
    return service.parts.job_table.latest(JobKind.TEXT)


def test_text_comes_before_meaning_and_all_pages_together_are_one_list(service, folder_of):
    service.ingest(tagged_folder(folder_of), build=False)
    train(service)
    every = ids(asked(service, "puppy", limit=100))
    assert len(every) == 24
    shown = [every[20], every[10]]
    say(service, shown[0], "Beware of the puppy")
    say(service, shown[1], "puppy", confidence=0.7)
    answer = asked(service, "puppy", limit=100)
    assert answer.mode == "mixed"
    # The others keep their order by meaning.
    assert ids(answer) == [*shown, *(one for one in every if one not in shown)]
    relevances = [hit.relevance for hit in answer.hits]
    assert relevances == sorted(relevances, reverse=True)
    assert [bool(hit.text) for hit in answer.hits[:3]] == [True, True, False]
    for size in (1, 2, 5):
        pages, cursor = [], None
        while True:
            page = asked(service, "puppy", limit=size, cursor=cursor)
            assert page.mode == "mixed"
            pages += ids(page)
            if (cursor := page.next) is None:
                break
        assert pages == ids(answer)
        by_offset = [
            one
            for start in range(0, 24, size)
            for one in ids(asked(service, "puppy", limit=size, offset=start))
        ]
        assert by_offset == ids(answer)
