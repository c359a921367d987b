"""What a visitor does on the page, in a real browser."""

import base64
import re
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from shared.errors import Unavailable

HITS = "#results .hit"


def options(page: Page) -> list[str]:
    return page.locator("#completions [role=option] > span:first-child").all_inner_texts()


def test_the_empty_page_shows_what_there_is(visit, stand_in):
    page = visit.open(stand_in.url)
    expect(page.get_by_text("45 images, 7 tags")).to_be_visible()
    tags = page.get_by_role("list", name="Tags with the most images").get_by_role("link")
    assert tags.first.get_attribute("aria-label") == "sun, 36 images"
    tags.filter(has_text="water").click()
    expect(page).to_have_url(f"{stand_in.url}?term=water")
    expect(page.locator(HITS)).to_have_count(5)


def test_a_term_is_completed_by_keyboard_and_searched(visit, stand_in):
    page = visit.open(stand_in.url)
    field = page.get_by_role("combobox", name="Search by a word")
    field.press_sequentially("w")
    expect(field).to_have_attribute("aria-expanded", "true")
    assert options(page) == ["warm", "water"]
    field.press("ArrowDown")
    field.press("ArrowDown")
    active = page.locator(f"#{field.get_attribute('aria-activedescendant')}")
    expect(active).to_have_attribute("aria-selected", "true")
    expect(active).to_have_accessible_name("water, 5 images")
    field.press("Enter")

    expect(page.locator(HITS)).to_have_count(5)
    expect(page).to_have_url(f"{stand_in.url}?term=water")
    expect(page).to_have_title("“water” - Image Search")
    expect(field).to_have_value("water")
    expect(field).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_role("status")).to_have_text("5 images shown.")
    expect(page.get_by_text("The images that carry this tag")).to_be_visible()
    assert stand_in.asked[-1][0] == "term water"


def test_the_completions_can_be_clicked_and_dismissed(visit, stand_in):
    page = visit.open(stand_in.url)
    field = page.get_by_role("combobox")
    field.press_sequentially("co")
    expect(page.get_by_role("option")).to_have_count(1)
    field.press("Escape")
    expect(page.locator("#completions")).to_be_hidden()
    field.press("ArrowDown")
    page.get_by_role("option", name="cold, 5 images").click()
    expect(page).to_have_url(f"{stand_in.url}?term=cold")


def test_a_hit_shows_its_picture_score_tags_and_name(visit, stand_in):
    page = visit.open(f"{stand_in.url}?similar=leaf%2600")
    expect(page.locator(HITS)).to_have_count(30)
    expect(page.get_by_role("heading", name="Like leaf-00.jpg")).to_be_visible()
    hit = page.locator(HITS).first
    expect(hit.locator("img.here")).to_be_visible()
    expect(hit.locator(".words")).to_have_text(re.compile(r"Almost certain|Likely|Possible"))
    expect(hit.locator(".chance")).to_have_text(re.compile(r"^\d+(\.\d)?\s%$"))
    expect(hit.locator(".number")).to_have_text(re.compile(r"^0\.\d{3}$"))
    name = hit.locator(".name a")
    expect(name).to_have_text(re.compile(r"^\w+-\d\d\.jpg$"))
    assert visit.page.request.get(f"{stand_in.url}{name.get_attribute('href')}").ok
    chips = hit.get_by_role("list", name="Tags").get_by_role("link")
    tag = chips.first.inner_text()
    chips.first.click()
    expect(page).to_have_url(f"{stand_in.url}?term={tag}")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (
            "?similar=sea%2601",
            [
                "Looked at 38 % of the images 3 of 8 clusters",
                "Expected recall 97 % asked for 95 %",
            ],
        ),
        (
            "?term=sea",
            ["Looked at every image with this tag all were ranked", "Expected recall 100 % exact"],
        ),
    ],
)
def test_how_the_answer_came_about_is_told(visit, stand_in, path, told):
    page = visit.open(f"{stand_in.url}{path}")
    facts = page.locator(".facts > div")
    expect(facts).to_have_count(4)
    # The number of clusters comes from another call.
    expect(page.get_by_text("45 images")).to_be_visible()
    assert [" ".join(text.split()) for text in facts.all_inner_texts()] == [
        *told,
        "Time 12 ms embed 8.4 ms, probe 0.2 ms, scan 2.9 ms",
        "Snapshot 7 cosine similarity",
    ]


def test_a_term_that_no_image_carries_says_so(visit, stand_in):
    page = visit.open(f"{stand_in.url}?term=zebra")
    expect(page.get_by_text("No image is tagged “zebra”.")).to_be_visible()
    expect(page.locator(HITS)).to_have_count(30)
    # Without a probability nothing is called likely, or a match.
    said = set(page.locator(f"{HITS} .words").all_inner_texts())
    near = {"Near in meaning", "Rather near in meaning", "Perhaps related", "Hardly related"}
    assert said <= near


# Each is given `carrier`, the DataTransfer with the picture.
CHOOSE = """const input = document.querySelector('#file');
  input.files = carrier.files;
  input.dispatchEvent(new Event('change'));"""
PASTE = """document.dispatchEvent(
  new ClipboardEvent('paste', {clipboardData: carrier, bubbles: true, cancelable: true}));"""
DROP = """for (const name of ['dragenter', 'dragover', 'drop']) document.body.dispatchEvent(
  new DragEvent(name, {dataTransfer: carrier, bubbles: true, cancelable: true}));"""


@pytest.mark.parametrize("way", [CHOOSE, PASTE, DROP], ids=["choose", "paste", "drop"])
def test_a_picture_is_searched_by(visit, stand_in, pictures, way):
    page = visit.open(stand_in.url)
    data = base64.b64encode(pictures[40].data).decode()
    page.evaluate(
        f"""(data) => {{
          const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
          const carrier = new DataTransfer();
          carrier.items.add(new File([bytes], 'mine.jpg', {{type: 'image/jpeg'}}));
          {way}
        }}""",
        data,
    )
    expect(page.locator(HITS).first.locator(".name")).to_have_text("sea-04.jpg")
    expect(page.locator(HITS).first.locator(".words")).to_contain_text("Nearly identical")
    expect(page.get_by_alt_text("Your picture")).to_be_visible()
    assert page.get_by_alt_text("Your picture").evaluate(
        "img => img.decode().then(() => img.naturalWidth)"
    )
    assert stand_in.asked[-1][0] == "upload mine.jpg"
    expect(page).to_have_url(stand_in.url)
    expect(page.locator("#drop")).to_be_hidden()


def test_what_is_not_a_picture_is_refused(visit, stand_in):
    page = visit.open(stand_in.url)
    page.set_input_files("#file", {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hi"})
    expect(page.get_by_role("status")).to_have_text("notes.txt is not a picture.")
    assert stand_in.asked == []


def test_more_like_this_and_back_to_an_upload(visit, stand_in, pictures):
    page = visit.open(stand_in.url)
    mine = {"name": "mine.jpg", "mimeType": "image/jpeg", "buffer": pictures[40].data}
    page.set_input_files("#file", mine)
    page.get_by_role("link", name="More like sea-03.jpg").click()
    expect(page).to_have_url(f"{stand_in.url}?similar=sea%2603")
    expect(page.get_by_role("heading", name="Like sea-03.jpg")).to_be_visible()
    expect(page.locator(HITS)).to_have_count(30)
    expect(page.locator(".hit .name", has_text="sea-03.jpg")).to_have_count(0)
    page.go_back()
    expect(page.get_by_alt_text("Your picture")).to_be_visible()
    expect(page.locator(HITS).first.locator(".name")).to_have_text("sea-04.jpg")
    assert [path for path, _ in stand_in.asked] == ["upload mine.jpg", "similar sea&03"]
    page.go_back()
    expect(page.get_by_role("heading", name="In the collection")).to_be_visible()


def test_back_and_forth_through_terms(visit, stand_in):
    page = visit.open(f"{stand_in.url}?term=leaf")
    field = page.get_by_role("combobox")
    field.fill("sea")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator(HITS)).to_have_count(5)
    page.go_back()
    expect(page.locator(HITS)).to_have_count(4)
    expect(field).to_have_value("leaf")
    page.go_forward()
    expect(page.locator(HITS)).to_have_count(5)
    page.reload()
    expect(page.locator(HITS)).to_have_count(5)
    page.go_back()
    expect(page.locator(HITS)).to_have_count(4)


def test_exact_is_asked_for_and_kept_in_the_address(visit, stand_in):
    page = visit.open(f"{stand_in.url}?term=zebra")
    expect(page.locator(HITS)).to_have_count(30)
    assert stand_in.asked[-1][1].exact is False
    page.get_by_text("compare with every image").click()
    expect(page).to_have_url(f"{stand_in.url}?term=zebra&exact=1")
    expect(page.locator(".facts")).to_contain_text("every image")
    assert stand_in.asked[-1][1].exact is True
    page.reload()
    expect(page.get_by_role("switch")).to_be_checked()
    page.locator(HITS).first.get_by_role("link").first.click()
    expect(page).to_have_url(re.compile(r"\?similar=.*&exact=1$"))


def test_more_is_loaded_until_there_is_no_more(visit, stand_in):
    page = visit.open(f"{stand_in.url}?term=sun")
    expect(page.locator(HITS)).to_have_count(30)
    page.get_by_role("button", name="Load more").click()
    expect(page.locator(HITS)).to_have_count(36)
    expect(page.get_by_text("That is all.")).to_be_visible()
    assert [asked.offset for _, asked in stand_in.asked] == [0, 30]


def test_a_broken_thumbnail_leaves_a_placeholder(visit, stand_in):
    stand_in.broken.add("sea&02")
    page = visit.open(f"{stand_in.url}?term=sea")
    expect(page.locator(".hit", has_text="sea-02.jpg").get_by_text("No preview")).to_be_visible()
    expect(page.get_by_text("No preview").filter(visible=True)).to_have_count(1)
    forgive(visit, "404")


def test_what_came_as_a_vector_has_its_id_and_a_placeholder(visit, start, pictures):
    bare = [replace(p, uri="") if p.id == "sea&02" else p for p in pictures]
    stand_in = start(bare)
    stand_in.broken.add("sea&02")
    page = visit.open(f"{stand_in.url}?term=sea")
    hit = page.locator(".hit", has_text="sea&02")
    expect(hit.get_by_text("No preview")).to_be_visible()
    # There is no file to be opened; the picture's place still leads to those like it.
    expect(hit.get_by_role("link", name="sea&02", exact=True)).to_have_count(0)
    hit.get_by_role("link", name="More like sea&02").click()
    expect(page).to_have_title(re.compile("Like sea&02"))
    forgive(visit, "404")


def test_no_hits(visit, stand_in):
    page = visit.open(f"{stand_in.url}?term=nothing")
    expect(page.get_by_role("heading", name="No images found")).to_be_visible()


def test_an_empty_collection(visit, start):
    page = visit.open(start([]).url)
    expect(page.get_by_role("heading", name="The collection is empty")).to_be_visible()


def test_a_mistake_is_explained(visit, stand_in):
    page = visit.open(f"{stand_in.url}?term=gibberish")
    expect(page.get_by_role("heading", name="Unknown term")).to_be_visible()
    expect(page.locator("#results")).to_contain_text("the model doesn't know the word.")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    forgive(visit, "422")


def test_a_failing_service_can_be_tried_again(visit, stand_in):
    stand_in.error = Unavailable("The embedder does not answer; try again in a moment.")
    page = visit.open(f"{stand_in.url}?term=sea")
    expect(page.locator("#results")).to_contain_text("The embedder does not answer")
    stand_in.error = None
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(HITS)).to_have_count(5)
    forgive(visit, "503")


def test_a_failure_while_loading_more_keeps_what_is_there(visit, stand_in):
    page = visit.open(f"{stand_in.url}?term=sun")
    expect(page.locator(HITS)).to_have_count(30)
    stand_in.error = Unavailable("The index is being moved.")
    page.get_by_role("button", name="Load more").click()
    expect(page.locator(".foot")).to_contain_text("The index is being moved.")
    expect(page.locator(HITS)).to_have_count(30)
    stand_in.error = None
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(HITS)).to_have_count(36)
    forgive(visit, "503")


def test_without_a_network_it_says_so_and_goes_on_when_it_is_back(visit, stand_in):
    page = visit.open(stand_in.url)
    page.context.set_offline(True)
    page.get_by_role("combobox").fill("sea")
    page.get_by_role("combobox").press("Enter")
    expect(page.get_by_role("heading", name="Can't reach the search service")).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator(HITS)).to_have_count(5)
    forgive(visit, "ERR_INTERNET_DISCONNECTED")


def test_a_locked_service_is_opened_with_its_key(visit, start, pictures):
    stand_in = start(pictures, key="open sesame")
    page = visit.open(f"{stand_in.url}?term=sea")
    for key in ("wrong", "open sesame"):
        page.get_by_label("Key", exact=True).fill(key)
        page.get_by_role("button", name="Unlock").click()
        if key == "wrong":
            expect(page.get_by_text("That key was not accepted")).to_be_visible()
    expect(page.locator(HITS)).to_have_count(5)
    expect(page.locator("img.here")).to_have_count(5)
    assert page.locator(".hit img").first.get_attribute("src").startswith("blob:")
    with page.expect_download() as download:
        page.locator(".hit .name a").first.click()
    assert download.value.suggested_filename.startswith("sea-")
    forgive(visit, "401")


@pytest.mark.parametrize("path", ["", "?term=sun", "?similar=sea%2601", "?term=nothing"])
def test_nothing_is_wider_than_a_small_screen(visit, stand_in, path):
    page = visit.open(f"{stand_in.url}{path}")
    expect(page.locator(".hit .name, .state, .top-tags").first).to_be_visible()
    for width in (768, 390, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_rows_of_the_grid_are_of_one_height(visit, stand_in):
    page = visit.open(f"{stand_in.url}?term=sun")
    expect(page.locator(".hit img.here").nth(8)).to_be_visible()
    boxes = [p.bounding_box() for p in page.locator(".hit .picture").all()[:6]]
    heights: dict[int, set[int]] = {}
    for box in boxes:
        heights.setdefault(round(box["y"]), set()).add(round(box["height"]))
    assert all(max(row) - min(row) <= 1 for row in heights.values())


def forgive(visit, reason: str) -> None:
    """Takes away the browser's own notes on answers that a test provoked."""
    noted = [c for c in visit.complaints if c.startswith("Failed to load resource")]
    assert noted
    assert all(reason in complaint for complaint in noted)
    visit.complaints[:] = [c for c in visit.complaints if c not in noted]
