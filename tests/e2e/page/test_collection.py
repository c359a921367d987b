"""What a person does in the collection view."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from demo.sample import draw_sample
from shared.clients import indexer as indexer_api
from shared.clients import query as query_api
from tests.e2e.engine import Engine, hanging, running
from tests.e2e.page.conftest import ServeQuery, Visitor

MINUTE = 60_000


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Services with a small drawn collection of their own, which these tests change."""
    folder = tmp_path_factory.mktemp("own")
    manifest = draw_sample(folder / "pictures", count=60, seed=5)
    with running(folder / "data", folder / "logs") as found:
        found.ingest(manifest, clusters=4)
        yield found


def newest_job(page: Page) -> Locator:
    return page.get_by_role("list", name="Activity, the newest first").get_by_role("listitem").first


def figure(page: Page, name: str) -> Locator:
    return page.get_by_label("Figures").locator("div", has=page.get_by_text(name, exact=True)).last


def drop(page: Page, pictures: list[Path]) -> None:
    files = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in pictures]
    transfer = page.evaluate_handle(
        """async (files) => {
          const transfer = new DataTransfer();
          for (const [name, data] of files) {
            const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
            transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
          }
          return transfer;
        }""",
        files,
    )
    page.dispatch_event(".zone", "drop", {"dataTransfer": transfer})


def test_it_shows_what_there_is(visitor: Visitor, engine: Engine) -> None:
    page = visitor.open(engine.group.url("query"))
    page.get_by_role("link", name="Manage").click()
    stats = engine.ask(query_api.get_stats())
    expect(figure(page, "Images")).to_contain_text(f"{stats.images:,}")
    expect(figure(page, "Tags")).to_contain_text(f"{stats.tags:,}")
    expect(figure(page, "Model")).to_contain_text(stats.model or "")
    index = page.get_by_role("region", name="Index", exact=True)
    expect(index).to_contain_text("Imbalance")
    expect(index).to_contain_text(f"The network knows {stats.tags} of {stats.tags} tags.")
    expect(page.get_by_role("img", name=re.compile("finds .* of the exact answer"))).to_be_visible()
    expect(newest_job(page)).to_contain_text("Done")
    expect(page.get_by_role("listitem").filter(has_text="In use")).to_have_count(1)


def test_a_folder_is_taken_in_while_its_progress_shows(
    visitor: Visitor, engine: Engine, folder: Path
) -> None:
    before = engine.ask(query_api.get_stats()).images
    page = visitor.open(f"{engine.group.url('query')}/manage")
    page.get_by_text("Advanced").click()
    page.get_by_label("Path").fill(str(folder))
    # However quick the ingest, it can't end before its progress is seen.
    with hanging(engine, "embedder"):
        page.get_by_role("button", name="Add", exact=True).click()
        name = f"Progress of: Adding pictures from {folder.name}"
        expect(page.get_by_role("progressbar", name=name)).to_be_visible()
    job = newest_job(page)
    expect(job).to_contain_text("Done", timeout=MINUTE)
    expect(job).to_contain_text(f"Added pictures from {folder.name}")
    expect(job).to_contain_text("12 pictures added")
    expect(page.get_by_role("progressbar")).to_have_count(0)
    expect(figure(page, "Images")).to_contain_text(f"{before + 12:,}")
    job.get_by_role("button", name="1 failure").click()
    expect(job.get_by_role("list", name="Pictures that could not be processed")).to_contain_text(
        "broken.jpg"
    )


def test_a_folder_is_chosen_by_looking_and_taken_back_by_one_click(
    visitor: Visitor, engine: Engine, folder: Path
) -> None:
    page = visitor.open(f"{engine.group.url('query')}/manage")
    page.get_by_text("Advanced").click()
    page.get_by_label("Path").fill(str(folder.parent))
    page.get_by_role("button", name="Choose a folder").click()
    chooser = page.get_by_role("dialog")
    chooser.get_by_role("button", name=folder.name).click()
    expect(chooser).to_contain_text(f"{folder}: 13 pictures")
    chooser.get_by_role("button", name="Use this folder").click()
    expect(page.get_by_label("Path")).to_have_value(str(folder))
    before = {i.id for i in engine.ask(query_api.get_random_images(1000)).images}
    page.get_by_role("button", name="Add", exact=True).click()
    expect(newest_job(page)).to_contain_text("Done", timeout=MINUTE)
    newest_job(page).get_by_role("button", name="Undo").click()
    page.get_by_role("dialog").get_by_role("button", name="Take back").click()
    expect(newest_job(page)).to_contain_text("Taking back", timeout=MINUTE)
    expect(newest_job(page)).to_contain_text("Done", timeout=MINUTE)
    after = {i.id for i in engine.ask(query_api.get_random_images(1000)).images}
    assert after <= before


def test_a_job_tells_what_it_went_on_without_and_how_far_its_stage_is(
    visitor: Visitor, engine: Engine
) -> None:
    page = visitor.open(f"{engine.group.url('query')}/manage")
    job = engine.indexer.send(indexer_api.list_jobs()).jobs[0].model_dump(mode="json")
    skipped = {"step": "training", "reason": "No image carries a tag that has a word vector."}
    done = job | {"id": "done", "result": job["result"] | {"skipped_steps": [skipped]}}
    counts = {"done": 60, "total": 60, "stage_done": 250, "stage_total": 1000, "eta_s": 30.0}
    running = job | {"id": "running", "state": "running", "result": None}
    running["progress"] = job["progress"] | counts | {"stage": "calibrating"}
    page.route("**/v1/jobs", lambda route: route.fulfill(json={"jobs": [running, done]}))
    expect(newest_job(page)).to_contain_text("Calibrating, 30 seconds left")
    bar = page.get_by_role("progressbar", name=re.compile("Progress of: "))
    expect(bar).to_have_js_property("value", 250)
    expect(bar).to_have_js_property("max", 1000)
    expect(page.get_by_role("list", name="Left out")).to_have_text(
        "Without training: No image carries a tag that has a word vector."
    )


def test_older_jobs_come_by_pages(visitor: Visitor, engine: Engine) -> None:
    job = engine.indexer.send(indexer_api.list_jobs()).jobs[0].model_dump(mode="json")
    many = [job | {"id": str(number)} for number in range(25)]

    def answer(route: Route) -> None:
        asked = parse_qs(urlsplit(route.request.url).query)
        start = int(asked.get("cursor", ["0"])[0])
        end = start + 10
        route.fulfill(json={"jobs": many[start:end], "next": str(end) if end < 25 else None})

    page = visitor.open(f"{engine.group.url('query')}/manage")
    page.route(re.compile("/v1/jobs($|[?])"), answer)
    rows = page.get_by_role("list", name="Activity, the newest first").get_by_role("listitem")
    more = page.get_by_role("button", name="Show more")
    for count in (6, 10, 20):
        expect(rows).to_have_count(count, timeout=MINUTE)
        more.click()
    expect(rows).to_have_count(25)
    expect(more).to_be_hidden()


def test_a_folder_that_is_not_there_is_refused_in_the_servers_words(
    visitor: Visitor, engine: Engine
) -> None:
    visitor.refusals = True
    page = visitor.open(f"{engine.group.url('query')}/manage")
    page.get_by_text("Advanced").click()
    page.get_by_label("Path").fill("pictures")
    page.get_by_label("Path").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("`source` must be an absolute path")


def test_dropped_pictures_are_added_with_their_tags(
    visitor: Visitor, engine: Engine, folder: Path
) -> None:
    page = visitor.open(f"{engine.group.url('query')}/manage")
    pictures = sorted(folder.glob("*.jpg"))[:4]
    drop(page, [folder / "broken.jpg", *pictures])
    page.get_by_label("Tags for all pictures").fill("dropped here, by hand")
    page.get_by_role("button", name="Add 5 files").click()
    failed = page.get_by_role("list", name="Pictures that could not be added")
    expect(failed).to_contain_text("broken.jpg", timeout=MINUTE)
    found = engine.ask(query_api.search_term("dropped here", limit=10))
    # Sorting puts the broken one among the first four.
    assert {hit.uri for hit in found.hits} == {p.name for p in pictures if p.name != "broken.jpg"}
    assert all("by hand" in hit.tags for hit in found.hits)


def test_an_upload_goes_in_batches_and_goes_on_after_a_failure(
    visitor: Visitor, engine: Engine, tmp_path: Path
) -> None:
    visitor.refusals = True
    from PIL import Image

    pictures = []
    for number in range(60):
        path = tmp_path / f"grey-{number:02d}.png"
        Image.linear_gradient("L").rotate(number).save(path)
        pictures.append(path)
    page = visitor.open(f"{engine.group.url('query')}/manage")
    page.locator("#add-files").set_input_files(pictures)
    calls: list[str] = []

    def first_only(route: object) -> None:
        calls.append("call")
        route.abort() if len(calls) == 2 else route.continue_()  # type: ignore[attr-defined]

    page.route("**/v1/images", first_only)
    page.get_by_role("button", name="Add 60 files").click()
    expect(page.get_by_text("10 files to go")).to_be_visible(timeout=MINUTE)
    expect(page.get_by_role("alert").filter(has_text="Can't reach")).to_be_visible()
    page.get_by_role("button", name="Continue with the rest").click()
    expect(page.get_by_text("60 pictures added.")).to_be_visible(timeout=MINUTE)
    assert len(calls) == 3


def test_a_build_is_started_with_its_settings(visitor: Visitor, engine: Engine) -> None:
    page = visitor.open(f"{engine.group.url('query')}/manage")
    page.get_by_text("Rebuild the index").click()
    page.get_by_label("Clusters", exact=True).fill("3")
    page.get_by_role("button", name="Start the build").click()
    expect(newest_job(page)).to_contain_text("Rebuilding the index")
    expect(newest_job(page)).to_contain_text("Done", timeout=MINUTE)
    expect(figure(page, "Clusters")).to_contain_text("3")
    assert engine.ask(query_api.get_stats()).clusters == 3


def test_a_training_is_started_and_cancelled(visitor: Visitor, engine: Engine) -> None:
    page = visitor.open(f"{engine.group.url('query')}/manage")
    page.get_by_text("Train word matching").click()
    page.get_by_label("Epochs").fill("1000")
    page.get_by_label("Patience").fill("1000")
    page.get_by_role("button", name="Start the training").click()
    page.get_by_role("button", name="Cancel: Learning words from tags").click()
    expect(newest_job(page)).to_contain_text("Cancelled", timeout=MINUTE)
    expect(page.get_by_role("button", name="Cancel: Learning words from tags")).to_have_count(0)
    jobs = engine.indexer.send(indexer_api.list_jobs()).jobs
    assert (jobs[0].kind, jobs[0].state) == ("train", "cancelled")


def test_a_roll_back_asks_once(visitor: Visitor, engine: Engine) -> None:
    engine.done(engine.indexer.send(indexer_api.build_index(_clusters(2))))
    older = engine.indexer.send(indexer_api.list_snapshots()).snapshots[0].number
    engine.done(engine.indexer.send(indexer_api.build_index(_clusters(5))))
    page = visitor.open(f"{engine.group.url('query')}/manage")
    button = page.get_by_role("button", name=f"Go back to snapshot {older}", exact=True)
    button.click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("deleted pictures stay deleted")
    question.get_by_role("button", name="Not now").click()
    assert engine.ask(query_api.get_stats()).clusters == 5
    button.click()
    question.get_by_role("button", name=f"Go back to {older}").click()
    current = page.get_by_role("listitem").filter(has_text="In use")
    expect(current).to_contain_text(f"Roll-back to snapshot {older}")
    expect(figure(page, "Clusters")).to_contain_text("2")
    assert engine.ask(query_api.get_stats()).clusters == 2


def test_the_key_is_asked_where_one_is_set(
    visitor: Visitor, engine: Engine, serve_query: ServeQuery
) -> None:
    visitor.refusals = True
    page = visitor.open(f"{serve_query(api_key='open sesame')}/manage")
    question = page.get_by_role("dialog")
    question.get_by_label("Key").fill("wrong")
    question.get_by_role("button", name="Unlock").click()
    expect(question).to_contain_text("Wrong key")
    question.get_by_label("Key").fill("open sesame")
    question.get_by_role("button", name="Unlock").click()
    expect(newest_job(page)).to_contain_text("Done")


def test_an_indexer_that_is_down_is_told_and_asked_again(
    visitor: Visitor, engine: Engine, serve_query: ServeQuery
) -> None:
    visitor.refusals = True
    page = visitor.open(f"{serve_query(indexer_url='http://127.0.0.1:9')}/manage")
    notice = page.get_by_role("alert")
    expect(notice).to_contain_text("Adding and changing pictures is paused")
    expect(notice.get_by_text("127.0.0.1")).to_be_hidden()
    images = engine.ask(query_api.get_stats()).images
    expect(figure(page, "Images")).to_contain_text(f"{images:,}")
    with page.expect_response("**/v1/jobs") as asked:
        notice.get_by_role("button", name="Try again").click()
    assert asked.value.status == 503


def test_the_whole_service_being_away_is_told_until_it_is_back(
    visitor: Visitor, engine: Engine
) -> None:
    visitor.refusals = True
    page = visitor.open(f"{engine.group.url('query')}/manage")
    expect(figure(page, "Images")).to_contain_text(re.compile(r"\d"))
    page.context.set_offline(True)
    expect(page.get_by_role("alert")).to_contain_text("Can't reach", timeout=MINUTE)
    page.context.set_offline(False)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_an_empty_collection_says_what_to_do(
    visitor: Visitor, serve_query: ServeQuery, tmp_path: Path
) -> None:
    page = visitor.open(f"{serve_query(data_dir=tmp_path)}/manage")
    expect(figure(page, "Images")).to_contain_text("0")
    expect(page.get_by_role("region", name="Index", exact=True)).to_contain_text("Not measured")


def test_it_fits_a_phone_and_works_by_keyboard(visitor: Visitor, engine: Engine) -> None:
    page = visitor.open(
        f"{engine.group.url('query')}/manage", viewport={"width": 360, "height": 740}
    )
    expect(newest_job(page)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the collection")).to_be_focused()
    summary = page.locator("summary", has_text="Rebuild the index")
    summary.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Clusters", exact=True)).to_be_focused()


def _clusters(count: int) -> indexer_api.BuildSettings:
    return indexer_api.BuildSettings(clusters=count)
