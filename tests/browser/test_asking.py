"""Asking by words and pictures, and the address that keeps it."""

import base64
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.asking import HITS, chips, expect_outcome, first_hit, picture_file


def completions(page: Page) -> list[str]:
    return page.locator("#completions [role=option] > span:first-child").all_inner_texts()


def test_the_empty_page_shows_what_there_is(visit, stand_in):
    page = visit.open(stand_in.url)
    expect(page.get_by_text("45 pictures", exact=True)).to_be_visible()
    page.get_by_role("link", name="Tags").click()
    tags = page.get_by_role("list", name="Tags").get_by_role("link")
    expect(tags.first).to_have_accessible_name("sun 36 pictures")
    tags.filter(has_text="water").click()
    expect(page).to_have_url(f"{stand_in.url}?term=water")
    expect_outcome(page, "5 images shown.")


def test_a_term_is_completed_by_keyboard_and_becomes_a_chip(visit, stand_in):
    page = visit.open(stand_in.url)
    field = page.get_by_role("combobox", name="Search by a word")
    field.press_sequentially("w")
    expect(field).to_have_attribute("aria-expanded", "true")
    assert completions(page) == ["warm", "water"]
    field.press("ArrowDown")
    field.press("ArrowDown")
    active = page.locator(f"#{field.get_attribute('aria-activedescendant')}")
    expect(active).to_have_attribute("aria-selected", "true")
    expect(active).to_have_accessible_name("water, 5 images")
    field.press("Enter")

    expect_outcome(page, "5 images shown.")
    expect(page).to_have_url(f"{stand_in.url}?term=water")
    expect(page).to_have_title("“water” - Image Search")
    expect(chips(page)).to_have_text(["water"])
    expect(field).to_have_value("")
    expect(field).to_have_attribute("aria-expanded", "false")
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


# Each is given `carrier`, the DataTransfer with the picture.
CHOOSE = """const input = document.querySelector('#file');
  input.files = carrier.files;
  input.dispatchEvent(new Event('change'));"""
PHOTOGRAPH = CHOOSE.replace("#file", "#camera")
PASTE = """document.dispatchEvent(
  new ClipboardEvent('paste', {clipboardData: carrier, bubbles: true, cancelable: true}));"""
DROP = """for (const name of ['dragenter', 'dragover', 'drop']) document.body.dispatchEvent(
  new DragEvent(name, {dataTransfer: carrier, bubbles: true, cancelable: true}));"""


@pytest.mark.parametrize(
    "way", [CHOOSE, PHOTOGRAPH, PASTE, DROP], ids=["choose", "photograph", "paste", "drop"]
)
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
    expect(first_hit(page).locator(".name")).to_have_text("sea-04.jpg")
    expect(first_hit(page).locator(".words")).to_contain_text("Nearly identical")
    expect(chips(page)).to_have_text(["Your picture"])
    shown = chips(page).locator("img.here")
    assert shown.evaluate("img => img.naturalWidth") == 400 or shown.is_visible()
    assert stand_in.asked[-1][0] == "upload mine.jpg"
    expect(page).to_have_url(f"{stand_in.url}?upload=upload-0")
    expect(page.locator("#drop")).to_be_hidden()


def test_the_camera_is_asked_for_on_a_phone(visit, stand_in):
    page = visit.open(stand_in.url)
    camera = page.get_by_label("Take a photo to search by")
    expect(camera).to_have_attribute("capture", "environment")


def test_what_is_not_a_picture_is_refused(visit, stand_in):
    page = visit.open(stand_in.url)
    page.set_input_files("#file", {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hi"})
    expect_outcome(page, "notes.txt is not a picture.")
    assert stand_in.asked == []


def test_back_and_forth_through_searches(visit, stand_in, pictures):
    page = visit.open(f"{stand_in.url}?term=leaf")
    expect_outcome(page, "4 images shown.")
    page.get_by_role("button", name="Remove leaf").click()
    expect(page.get_by_role("heading", name="Photos")).to_be_visible()
    page.set_input_files("#file", picture_file(pictures[40].data))
    expect_outcome(page, "45 images shown.")
    page.go_back()
    page.go_back()
    expect(chips(page)).to_have_text(["leaf"])
    expect(page.locator(HITS)).to_have_count(4)
    page.go_forward()
    page.go_forward()
    expect(chips(page)).to_have_text(["Your picture"])
    expect(first_hit(page).locator(".name")).to_have_text("sea-04.jpg")
    # What was found is kept: it was asked for once.
    assert [path for path, _ in stand_in.asked] == ["term leaf", "upload mine.jpg"]
    page.reload()
    expect(first_hit(page).locator(".name")).to_have_text("sea-04.jpg")


def test_exact_is_asked_for_and_kept_in_the_address(visit, stand_in):
    page = visit.open(f"{stand_in.url}?term=zebra")
    expect(page.locator(".how")).to_contain_text("Looked at 38\xa0% of the images, 3 of 8 clusters")
    assert stand_in.asked[-1][1].exact is False
    page.get_by_text("Advanced").click()
    page.get_by_text("compare with every image").click()
    expect(page).to_have_url(f"{stand_in.url}?term=zebra&exact=1")
    expect(page.locator(".how")).to_contain_text("Looked at every image")
    assert stand_in.asked[-1][1].exact is True
    page.reload()
    expect(page.get_by_role("switch", name="Exact")).to_be_checked()


def test_an_upload_that_is_gone_is_asked_for_again(visit, stand_in, pictures):
    page = visit.open(f"{stand_in.url}?upload=long-gone@0.1,0.1,0.5,0.5")
    expect(page.get_by_role("heading", name="The picture has expired")).to_be_visible()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose the picture again").click()
    chooser.value.set_files(picture_file(pictures[40].data))
    # The crop stays.
    expect(page).to_have_url(re.compile(r"upload=upload-0%400\.1%2C0\.1%2C0\.5%2C0\.5$"))
    visit.forgive("404")


def test_an_upload_that_is_gone_is_sent_again_where_the_page_has_it(visit, stand_in, pictures):
    page = visit.open(stand_in.url)
    page.set_input_files("#file", picture_file(pictures[40].data))
    expect_outcome(page, "45 images shown.")
    stand_in.uploads.pop("upload-0")
    stand_in.uploads["another"] = ("", b"")
    page.get_by_text("Advanced").click()
    page.get_by_text("compare with every image").click()
    expect(page).to_have_url(f"{stand_in.url}?upload=upload-1&exact=1")
    expect(first_hit(page).locator(".name")).to_have_text("sea-04.jpg")
    visit.forgive("404")
