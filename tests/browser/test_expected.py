"""The page says how many images match, where they end, and asks whether a hit is right."""

from playwright.sync_api import expect

from shared.contracts.answer import Duplicate, Expected
from tests.browser.asking import HITS, expect_outcome


def test_the_page_says_how_many_match_and_where_they_end(visit, stand_in):
    stand_in.expected, stand_in.present = Expected(matches=4, low=3, high=6), 0.98
    page = visit.open(f"{stand_in.url}?similar=leaf%2600")
    expect(page.get_by_text("About 4 match, 3 to 6.")).to_be_visible()
    expect(page.get_by_text("the rest are merely near")).to_have_count(1)
    expect(page.locator(f"{HITS}:not(.beyond)")).to_have_count(4)


def test_images_that_are_folded_into_a_hit_count_for_where_matches_end(visit, stand_in):
    stand_in.expected, stand_in.present = Expected(matches=4, low=3, high=6), 0.98
    hits = f"{stand_in.url}?similar=leaf%2600"
    page = visit.open(hits)
    second = page.locator(HITS).nth(1).get_attribute("data-id")
    copies = [Duplicate(id=f"copy-{n}", uri="copy.jpg", similarity=0.99) for n in range(2)]
    stand_in.told[second] = {"duplicates": copies}
    page.goto(hits)
    expect(page.get_by_role("link", name="2 near-duplicates")).to_be_visible()
    expect(page.locator(f"{HITS}:not(.beyond)")).to_have_count(2)
    expect(page.locator(HITS).nth(2).get_by_text("the rest are merely near")).to_be_visible()
    # One that was deleted here is no longer among the images that match.
    page.locator(HITS).first.get_by_role("link").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Close").click()
    expect(page.locator(f"{HITS}:not(.beyond)")).to_have_count(1)


def test_further_pages_take_nothing_of_that_back(visit, start, many):
    stand_in = start(many(120))
    stand_in.expected, stand_in.present = Expected(matches=70, low=60, high=80), 0.98
    page = visit.open(f"{stand_in.url}?term=sun")
    expect_outcome(page, "60 images shown, there are more.")
    for _ in range(100):
        page.mouse.wheel(0, 2000)
        page.wait_for_timeout(30)
        if page.get_by_text("End of results.").is_visible():
            break
    expect_outcome(page, "120 images shown.")
    expect(page.get_by_text("About 70 match, 60 to 80.")).to_have_count(1)
    page.mouse.wheel(0, 100_000)
    expect(page.locator(f"{HITS}.beyond").last).to_be_visible()


def test_the_page_says_that_nothing_matches(visit, stand_in):
    stand_in.expected, stand_in.present = Expected(matches=1, low=0, high=2), 0.01
    page = visit.open(f"{stand_in.url}?similar=leaf%2600")
    expect(page.get_by_text("Not in your collection")).to_be_visible()


def test_a_hit_is_judged_by_one_click_and_the_word_is_taken_back(visit, stand_in):
    page = visit.open(f"{stand_in.url}?term=sea")
    page.locator(HITS).first.get_by_role("link").click()
    yes = page.get_by_role("button", name="Yes", exact=True)
    yes.click()
    expect(yes).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text("Kept.")).to_be_visible()
    yes.click()
    expect(yes).to_have_attribute("aria-pressed", "false")
    assert [one.right for one in stand_in.judged] == [True, None]
    assert {one.search.term for one in stand_in.judged} == {"sea"}
