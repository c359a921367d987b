"""A whole number of over 53 bits, which JavaScript's own JSON makes another one of."""

from dataclasses import replace

from playwright.sync_api import expect

from tests.browser.asking import expect_outcome

POST = 1234567890123456789
# Of the second image: the one that is asked for is left out of its own hits.
WANTED = POST - 1


def numbered(pictures, count):
    return [replace(p, metadata={"post": POST - n}) for n, p in enumerate(pictures[:count])]


def conditions(stand_in):
    return stand_in.asked[-1][1].filter.must


def test_a_long_number_is_shown_and_filtered_by_as_it_is(visit, start, pictures):
    stand_in = start(numbered(pictures, 4))
    page = visit.open(f"{stand_in.url}?similar={pictures[0].id.replace('&', '%26')}")
    page.locator(".filter-toggle").click()
    page.get_by_role("button", name=f"Only {WANTED}, 1 image").click()
    expect(page.get_by_role("button", name=f"Remove the filter post: {WANTED}")).to_be_visible()
    expect_outcome(page, "3 images shown.")
    [condition] = conditions(stand_in)
    assert (condition.key, condition.match) == ("post", WANTED)
    # The address holds it too.
    page.reload()
    expect(page.get_by_role("button", name=f"Remove the filter post: {WANTED}")).to_be_visible()
    expect_outcome(page, "3 images shown.")
    [condition] = conditions(stand_in)
    assert condition.match == WANTED


def test_a_range_of_long_numbers_is_asked_for_as_it_is_typed(visit, start, pictures):
    stand_in = start(numbered(pictures, 20))
    page = visit.open(f"{stand_in.url}?similar={pictures[0].id.replace('&', '%26')}")
    page.locator(".filter-toggle").click()
    first = page.get_by_label("post from")
    # The image itself is left out of the hits.
    expect(page.get_by_label("post to")).to_have_attribute("placeholder", str(POST - 1))
    first.fill(str(POST - 2))
    first.press("Enter")
    expect(page.get_by_role("button", name=f"post from {POST - 2}")).to_be_visible()
    expect_outcome(page, "19 images shown.")
    [condition] = conditions(stand_in)
    assert condition.gte == POST - 2
