"""Empty, failing, offline, locked: what the page says, and what can be done."""

import pytest
from playwright.sync_api import expect

from shared.core.errors import Unavailable
from tests.browser.asking import HITS, expect_outcome


def test_no_hits(visit, stand_in):
    page = visit.open(f"{stand_in.url}?term=nothing")
    expect(page.get_by_role("heading", name="No images found")).to_be_visible()


@pytest.mark.parametrize(
    ("chance", "doubts"), [(lambda score: 0.16, 0), (lambda score: 0.1 + abs(score) / 10, 1)]
)
def test_a_chance_that_all_hits_share_is_no_reason_to_doubt(visit, stand_in, chance, doubts):
    stand_in.chance = chance
    page = visit.open(f"{stand_in.url}?term=insect")
    expect_outcome(page, "45 images shown.")
    expect(page.get_by_role("heading", name="No confident match")).to_have_count(doubts)


def test_an_empty_collection(visit, start):
    page = visit.open(start([]).url)
    expect(page.get_by_role("heading", name="Your pictures go here")).to_be_visible()


def test_only_to_leave_out_is_no_search(visit, stand_in):
    page = visit.open(f"{stand_in.url}?not-term=sea")
    expect(page.get_by_role("heading", name="Add something to search for")).to_be_visible()
    assert stand_in.asked == []


def test_a_mistake_is_explained(visit, stand_in):
    page = visit.open(f"{stand_in.url}?term=gibberish")
    expect(page.get_by_role("heading", name="Unknown term")).to_be_visible()
    expect(page.locator("#results")).to_contain_text("the model doesn't know the word.")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    visit.forgive("422")


def test_a_failing_service_can_be_tried_again(visit, stand_in):
    stand_in.error = Unavailable("The embedder does not answer; try again in a moment.")
    page = visit.open(f"{stand_in.url}?term=sea")
    expect(page.locator("#results")).to_contain_text("The embedder does not answer")
    stand_in.error = None
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(HITS)).to_have_count(5)
    visit.forgive("503")


def test_what_is_paused_is_said_in_a_sentence_until_it_is_back(visit, stand_in):
    stand_in.paused = ["Search by picture is paused: the embedder is starting."]
    page = visit.open(f"{stand_in.url}?term=sea")
    expect(page.get_by_text(stand_in.paused[0], exact=True)).to_be_visible()
    expect(page.locator(HITS)).to_have_count(5)
    stand_in.paused = []
    expect(page.locator("#paused")).to_be_hidden()


def test_a_service_that_is_away_is_told_without_an_address(visit, stand_in):
    stand_in.error = Unavailable("Nothing answers at http://127.0.0.1:8002.", peer_away=True)
    page = visit.open(f"{stand_in.url}?term=sea")
    said = "Part of the search is unavailable at the moment."
    expect(page.locator("#results")).to_contain_text(said)
    detail = page.get_by_text("Nothing answers at")
    expect(detail).to_be_hidden()
    page.get_by_text("Details").click()
    expect(detail).to_be_visible()
    visit.forgive("503")


def test_a_failure_while_loading_more_keeps_what_is_there(visit, start, many):
    stand_in = start(many(100))
    page = visit.open(f"{stand_in.url}?term=sun")
    expect_outcome(page, "60 images shown, there are more.")
    stand_in.error = Unavailable("The index is being moved.")
    page.mouse.wheel(0, 20_000)
    expect(page.locator(".foot")).to_contain_text("The index is being moved.")
    assert page.locator(HITS).count() > 0
    stand_in.error = None
    page.get_by_role("button", name="Try again").click()
    expect_outcome(page, "100 images shown.")
    visit.forgive("503")


def test_without_a_network_it_says_so_and_goes_on_when_it_is_back(visit, stand_in):
    page = visit.open(stand_in.url)
    expect(page.get_by_text("45 pictures", exact=True)).to_be_visible()
    page.context.set_offline(True)
    expect(page.get_by_text("You are offline.")).to_be_visible()
    page.get_by_role("combobox").fill("sea")
    page.get_by_role("combobox").press("Enter")
    expect(page.get_by_role("heading", name="Can't reach the search service")).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator(HITS)).to_have_count(5)
    expect(page.get_by_text("You are offline.")).to_be_hidden()
    visit.forgive("ERR_INTERNET_DISCONNECTED")


def test_a_locked_service_is_opened_with_its_key(visit, start, pictures):
    stand_in = start(pictures, key="open sesame")
    page = visit.open(f"{stand_in.url}?term=sea")
    for key in ("wrong", "open sesame"):
        page.get_by_label("Key", exact=True).fill(key)
        page.get_by_role("button", name="Unlock").click()
        if key == "wrong":
            expect(page.get_by_text("Wrong key")).to_be_visible()
    expect(page.locator(HITS)).to_have_count(5)
    expect(page.locator(".hit img.here")).to_have_count(5)
    assert page.locator(".hit img").first.get_attribute("src").startswith("blob:")
    page.locator(HITS).first.get_by_role("link").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename.startswith("sea-")
    visit.forgive("401")
