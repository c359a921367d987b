"""What pictures show, as the model names it, is looked through and taken over as tags."""

from dataclasses import replace

from playwright.sync_api import expect

from tests.browser.gallery.looking import tiles


def test_a_label_leads_to_its_pictures_and_becomes_a_tag(visit, dated):
    dated.pictures = [
        replace(one, labels=(("beagle", 0.9),)) if n < 5 else one
        for n, one in enumerate(dated.pictures)
    ]
    page = visit.open(f"{dated.url}?view=tags")
    page.get_by_role("link", name="What pictures show").click()
    beagle = page.get_by_role("link", name="beagle 5 pictures")
    expect(beagle.locator("img.here")).to_be_visible()
    page.get_by_role("button", name="Take over beagle as a tag").click()
    page.get_by_role("dialog").get_by_role("button", name="Tag them").click()
    expect(page.locator("#undo")).to_contain_text("“beagle” is being added.")
    assert dated.shelf.changes == [{"names": ["beagle"], "least": 0.5}]
    page.get_by_role("searchbox", name="Find a name").fill("zebra")
    expect(page.get_by_text("No name fits.")).to_be_visible()
    page.get_by_role("searchbox", name="Find a name").fill("")
    beagle.click()
    expect(tiles(page)).to_have_count(5)


def test_a_collection_without_labels_says_so(visit, dated):
    page = visit.open(f"{dated.url}?view=labels")
    expect(page.get_by_role("heading", name="No names yet")).to_be_visible()
