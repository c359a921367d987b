"""Duplicates of a collection: compared by a job, planned, deleted, and taken back."""

import io
import json
import re

import pytest
from PIL import Image

from services.indexer.catalog.picture_pairs import PairTable
from services.indexer.comparing import hashes
from services.indexer.curation.duplicates import DuplicatePlans
from shared.cli.main import main
from shared.clients import browsing, curation, duplicates, indexer
from shared.contracts.duplicates import DeleteDuplicates, Keep, Likeness, PlanQuery
from shared.contracts.indexer import ImagePatch
from shared.core.errors import Conflict, InvalidInput, NotFound, Unavailable
from tests.indexer.duplicates.drawing import coded, scene
from tests.shared.video_files import video

WHOLE = coded(scene(1), quality=95)
SMALL = coded(scene(1).resize((240, 180)), quality=85)
TURNED = coded(scene(1).rotate(90, expand=True).resize((180, 240)), quality=80)
LOSSLESS = coded(Image.open(io.BytesIO(WHOLE)), "PNG")
OTHER = coded(scene(2))


def planned(service, **options):
    return service.send(duplicates.plan(PlanQuery(**options)))


def compared(service):
    return service.succeeded(service.send(duplicates.compare()))


def deletion(plan, **options):
    request = DeleteDuplicates(plan=plan.plan, budget=plan.budget, keep=plan.keep, **options)
    return duplicates.delete(request)


@pytest.fixture
def copies(service):
    """Ids of a picture, its copies, and another picture; compared."""
    files = {"whole.jpg": WHOLE, "small.jpg": SMALL, "turned.jpg": TURNED, "other.jpg": OTHER}
    ids = dict(zip(files, (item.id for item in service.add(*files.items())), strict=True))
    compared(service)
    return ids


def test_copies_are_found_told_and_deleted_and_all_is_taken_back(service, copies):
    service.send(
        indexer.patch_image(copies["small.jpg"], ImagePatch(tags=["cat"], metadata={"by": "me"}))
    )
    plan = planned(service, budget=0.5)
    assert (plan.pictures, plan.waiting, plan.over_budget) == (4, 0, 0)
    assert plan.delete == 2
    assert plan.sentence.startswith("Delete 2, expect ")
    (group,) = plan.groups
    assert group.kept.id == copies["whole.jpg"]
    assert {one.id for one in group.others} == {copies["small.jpg"], copies["turned.jpg"]}
    assert {one.kind for one in group.others} == {Likeness.SAME}

    done = service.send(deletion(plan))
    assert (done.deleted, done.merged) == (2, 1)
    kept = service.send(indexer.get_image(copies["whole.jpg"]))
    assert (kept.tags, kept.metadata) == (["cat"], {"by": "me"})
    assert service.send(curation.list_trash()).total == 2
    assert planned(service, budget=0.5).delete == 0

    service.send(curation.undo_change(done.undo))
    kept = service.send(indexer.get_image(copies["whole.jpg"]))
    assert (kept.tags, kept.metadata) == ([], {})
    assert service.send(curation.list_trash()).total == 0
    # What came back has to be compared anew.
    assert planned(service).waiting == 2
    compared(service)
    assert planned(service, budget=0.5).delete == 2


def test_the_same_pixels_are_exact(service):
    service.add(("a.jpg", WHOLE), ("b.png", LOSSLESS))
    compared(service)
    plan = planned(service)
    assert (plan.delete, plan.exact, plan.at_most_wrong) == (1, 1, 0)
    assert plan.groups[0].others[0].kind == Likeness.EXACT


def test_a_video_is_no_duplicate_of_a_picture_or_video_that_looks_like_its_poster(service):
    clips = [video(seconds=seconds) for seconds in (2, 3)]
    ids = [item.id for item in service.add(*zip(("1.mp4", "2.mp4"), clips, strict=True))]
    poster, _ = service.send(indexer.get_thumbnail(ids[0]))
    service.add(("poster.jpg", poster))
    compared(service)
    assert PairTable(service.parts.database).pairs(hashes.VERSION)
    plan = planned(service, budget=0.5)
    assert (plan.delete, plan.over_budget, plan.scenes) == (0, 0, 0)


def moving(form, *frames):
    out = io.BytesIO()
    more = {} if form == "TIFF" else {"duration": 500}
    frames[0].save(out, form, save_all=True, append_images=frames[1:], **more)
    return out.getvalue()


def test_files_of_several_pictures_are_not_deleted_for_their_first_one(service):
    first, second, third = (scene(number).resize((160, 120)) for number in (1, 2, 3))
    large = coded(first.resize((320, 240)), "PNG")
    forms = ("GIF", "PNG", "WEBP", "TIFF")
    for form in forms:
        files = moving(form, first, second), moving(form, first, third), moving(form, first)
        service.add(*((f"{n}.{form}", data) for n, data in enumerate(files)))
    service.add(("large.png", large))
    compared(service)
    assert len(PairTable(service.parts.database).pairs(hashes.VERSION)) > len(forms)
    plan = planned(service, budget=0.5)
    gone = {one.uri for group in plan.groups for one in group.others if one.goes}
    # A file of one picture is as good a copy as any.
    assert gone == {f"2.{form}" for form in forms}


@pytest.mark.parametrize("why", [NotFound, Unavailable])
def test_pictures_whose_source_was_away_are_compared_again(service, monkeypatch, why):
    first = scene(1).resize((160, 120))
    service.add(
        ("small.png", coded(first.resize((80, 60)), "PNG")), ("a.gif", moving("GIF", first))
    )
    files = service.parts.files
    # Looks are made of thumbnails, which are there already.
    for image_id in [hit.id for hit in service.ask(browsing.list_images()).images]:
        service.send(indexer.get_thumbnail(image_id))

    def away(*_):
        raise why("the source is away")

    with monkeypatch.context() as patched:
        patched.setattr(files, "read", away)
        compared(service)
    plan = planned(service, budget=0.5)
    assert (plan.delete, plan.waiting > 0) == (0, True)
    compared(service)
    plan = planned(service, budget=0.5)
    assert (plan.delete, plan.waiting) == (1, 0)


def test_the_one_with_facts_stays_where_that_is_wanted(service, copies):
    service.send(indexer.patch_image(copies["small.jpg"], ImagePatch(tags=["cat"])))
    plan = planned(service, budget=0.5, keep=Keep.FACTS)
    assert plan.groups[0].kept.id == copies["small.jpg"]


def test_a_plan_that_is_no_longer_true_is_refused(service, copies):
    plan = planned(service, budget=0.5)
    page = planned(service, budget=0.5, limit=1)
    service.send(indexer.delete_image(copies["turned.jpg"]))
    with pytest.raises(Conflict, match="changed"):
        service.send(deletion(plan))
    with pytest.raises(Conflict, match="changed"):
        planned(service, budget=0.5, cursor=f"{page.plan}-1")
    with pytest.raises(InvalidInput, match="cursor"):
        planned(service, cursor="nonsense")


def test_copies_stay_where_the_one_kept_for_them_is_deleted_meanwhile(service, copies, monkeypatch):
    plan = planned(service, budget=0.5)
    made = DuplicatePlans._made

    def slowly(self, budget, keep):
        found = made(self, budget, keep)
        service.send(indexer.delete_image(copies["whole.jpg"]))
        return found

    monkeypatch.setattr(DuplicatePlans, "_made", slowly)
    assert service.send(deletion(plan)).deleted == 0
    service.send(indexer.get_image(copies["small.jpg"]))
    service.send(indexer.get_image(copies["turned.jpg"]))


def test_pictures_that_are_left_out_stay(service, copies):
    plan = planned(service, budget=0.5)
    done = service.send(deletion(plan, but=[copies["turned.jpg"]]))
    assert done.deleted == 1
    service.send(indexer.get_image(copies["turned.jpg"]))


def test_only_new_pictures_are_compared_again(service, copies):
    assert compared(service).result == {"looked_at": 0, "compared": 0, "pairs": 0, "failed": 0}
    service.add(("late.jpg", coded(scene(1).resize((200, 150)))))
    assert planned(service).waiting == 1
    assert compared(service).result["compared"] == 1
    assert planned(service, budget=0.5).delete == 3


def test_a_picture_whose_file_is_gone_fails_alone(service, folder_of):
    folder = folder_of({"whole.jpg": WHOLE, "same.png": LOSSLESS, "gone.jpg": OTHER})
    service.ingest(folder)
    (folder / "gone.jpg").unlink()
    job = compared(service)
    assert (job.progress.failed, job.result["compared"]) == (1, 2)
    assert planned(service, budget=0.5).delete == 1
    assert PairTable(service.parts.database).count_lacking(hashes.VERSION) == 0


def test_the_command_compares_plans_deletes_and_says_how_to_take_it_back(
    service, monkeypatch, capsys
):
    monkeypatch.setenv("ISE_INDEXER_URL", service.url)
    service.add(("whole.jpg", WHOLE), ("same.png", LOSSLESS), ("other.jpg", OTHER))
    assert main(["duplicates", "--budget", "0.05", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["delete"] == 1
    assert main(["duplicates", "--budget", "0.05"]) == 0
    told = capsys.readouterr()
    assert "same.png" in told.out
    assert "Delete 1, expect none wrong." in told.out + told.err
    assert main(["duplicates", "--budget", "0.05", "--delete"]) == 0
    told = capsys.readouterr()
    assert "1 deleted, expect none wrong." in told.out
    token = re.search(r"ise undo (\w+)", told.out + told.err)
    assert main(["undo", token[1]]) == 0
    assert main(["duplicates", "--delete"]) == 1
