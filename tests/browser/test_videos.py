"""Videos in the page: they begin where a search found them, and are read in parts."""

import io
from dataclasses import replace

import av
import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.asking import HITS
from tests.browser.stand_in import Picture
from tests.indexer.running import until

KEY = "open sesame, says the page"
SECONDS = 40


@pytest.fixture(scope="module")
def film() -> bytes:
    """A WebM of noise of some mebibytes, so that no player reads it all at once."""
    noise = np.random.default_rng(5).integers(0, 256, (5, 240, 320, 3), np.uint8)
    out = io.BytesIO()
    with av.open(out, "w", format="webm") as made:
        stream = made.add_stream("libvpx", rate=5, options={"deadline": "realtime", "crf": "4"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.bit_rate = 8_000_000
        frames = [av.VideoFrame.from_ndarray(one, format="rgb24") for one in noise]
        second = [packet for frame in (*frames, None) for packet in stream.encode(frame)]
        step = second[1].pts - second[0].pts
        for number in range(SECONDS * len(second)):
            packet = av.Packet(bytes(second[number % len(second)]))
            packet.stream, packet.time_base = stream, second[0].time_base
            packet.is_keyframe = second[number % len(second)].is_keyframe
            packet.pts = packet.dts = second[0].pts + number * step
            made.mux(packet)
    return out.getvalue()


@pytest.fixture
def with_film(pictures: list[Picture], film: bytes) -> list[Picture]:
    """Suns, of which the first is a film, found 25 seconds after its start."""
    suns = [one for one in pictures if "sun" in one.tags]
    return [replace(suns[0], id="a film;1", uri="trip/film.webm", film=film), *suns[1:4]]


def played(page, url):
    """The player of the film, once it knows the film's length."""
    page.goto(f"{url}?term=sun")
    link = page.locator(HITS).get_by_role("link", name="film.webm")
    link.click()
    video = page.locator("figure.shown video")
    expect(video).to_be_visible()
    until(lambda: video.evaluate("v => v.readyState >= 1"))
    return video


def enter_key(visit, url):
    page = visit.open(url)
    page.get_by_label("Key", exact=True).fill(KEY)
    page.get_by_role("button", name="Unlock").click()
    return page


@pytest.mark.parametrize("key", [None, KEY], ids=["without a key", "with a key"])
def test_a_film_begins_where_it_was_found_and_is_read_in_parts(visit, start, with_film, film, key):
    stand_in = start(with_film, key=key)
    stand_in.told["a film;1"] = {"time_s": 25.0}
    page = visit.open(stand_in.url) if key is None else enter_key(visit, stand_in.url)
    if key is not None:
        visit.forgive("401")
    asked = []
    page.on("request", lambda one: asked.append(one) if one.url.endswith("/file") else None)
    video = played(page, stand_in.url)
    until(lambda: video.evaluate("v => v.currentTime >= 24.9"))
    assert video.evaluate("v => v.currentTime") == pytest.approx(25, abs=0.5)
    assert video.evaluate("v => v.src.startsWith('blob:')") is False
    video.evaluate("v => v.play()")
    until(lambda: video.evaluate("v => v.currentTime > 25.3"))
    # The player itself asked for parts, from the middle too; a script would have fetched the whole.
    assert {one.resource_type for one in asked} == {"media"}
    starts = {int(one.headers["range"].removeprefix("bytes=").split("-")[0]) for one in asked}
    assert max(starts) > len(film) // 4
    # Neither the key nor what stands for it is in an address.
    assert all("?" not in one.url for one in asked)
    jar = page.context.cookies(f"{stand_in.url}v1/images/a%20film%3B1/file")
    assert page.context.cookies(f"{stand_in.url}v1/images/{with_film[1].id}/file") == []
    if key is None:
        assert jar == []
    else:
        (cookie,) = jar
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert cookie["path"] == "/v1/images/a%20film%3B1/file"
        assert KEY not in cookie["value"]


def test_a_permission_that_ran_out_is_renewed(visit, start, with_film):
    stand_in = start(with_film, key=KEY)
    page = enter_key(visit, stand_in.url)
    visit.forgive("401")
    video = played(page, stand_in.url)
    page.context.clear_cookies()
    statuses = []
    page.on("response", lambda one: one.url.endswith("/file") and statuses.append(one.status))
    # Far from what is loaded, so that it asks again, and is refused at first.
    video.evaluate("v => { v.currentTime = 38; }")
    until(lambda: video.evaluate("v => v.currentTime >= 37.9 && v.readyState >= 2 && !v.seeking"))
    assert statuses[0] == 401
    assert statuses[-1] == 206
    # The browser's own note of the answer, where it made one.
    assert all("401" in one for one in visit.complaints)
    visit.complaints.clear()


def test_a_film_that_is_being_checked_says_so_and_begins_by_itself(visit, start, with_film):
    stand_in = start(with_film)
    stand_in.checking.update({"a film;1": 1})
    stand_in.told["a film;1"] = {"time_s": 25.0}
    page = visit.open(f"{stand_in.url}?term=sun")
    page.locator(HITS).get_by_role("link", name="film.webm").click()
    note = page.locator("figure.shown").get_by_role("status")
    expect(note).to_have_text("The video is being checked. It can be played in a moment.")
    stand_in.checking.clear()
    video = page.locator("figure.shown video")
    until(lambda: video.evaluate("v => v.currentTime >= 24.9"))
    expect(note).to_be_hidden()
    visit.forgive("503")
