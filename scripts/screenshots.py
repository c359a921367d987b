"""Takes the pictures of the page for the README: `python -m scripts.screenshots docs/images`.

They show the drawn sample, with dates and places, some copies and wrong tags. Needs Chromium and
some minutes.
"""

import csv
import io
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from PIL import ExifTags, Image
from playwright.sync_api import Browser, Page, sync_playwright

from demo.sample import draw_sample
from shared.cli.group import ServiceGroup
from shared.cli.job_wait import raise_if_failed, wait
from shared.cli.service import free_port
from shared.clients import duplicates, indexer
from shared.clients.transport import Client
from shared.contracts.indexer import IngestRequest
from shared.core.errors import Misconfigured
from shared.core.settings import ServiceSettings

_START_S = 300.0
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MOST_BYTES = 200_000
_COLOURS = (256, 128, 64)
_TERM = "castle"
_WIDE, _PHONE = (1180, 760), (390, 780)
_PLACES = (
    (48.8584, 2.2945),
    (41.8902, 12.4922),
    (51.5033, -0.1195),
    (59.3293, 18.0686),
    (40.6892, -74.0445),
    (-33.8568, 151.2153),
    (35.6586, 139.7454),
    (-22.9519, -43.2105),
)
_COPIES, _WRONG = 3, 4


@dataclass(frozen=True)
class Shot:
    """One picture: what is done on the page before it's taken, and how the page is looked at."""

    name: str
    prepare: Callable[[Page, Path], None]
    size: tuple[int, int] = _WIDE
    dark: bool = False


def _results(page: Page, _: Path) -> None:
    box = page.get_by_role("combobox").first
    box.fill(_TERM)
    box.press("Enter")
    _wait_for_pictures(page, "#results .hit img")


def _like_a_picture(page: Page, picture: Path) -> None:
    page.locator("input[type=file]").first.set_input_files(picture)
    _wait_for_pictures(page, "#results .hit img")


def _heat_map(page: Page, picture: Path) -> None:
    _like_a_picture(page, picture)
    # The first hit is the picture itself.
    page.locator("#results .hit a").nth(2).click()
    page.get_by_role("dialog").get_by_role("button", name="Why this?").click()
    page.locator("canvas.heat").first.wait_for()
    _wait_for_pictures(page, "dialog img")


def _photos(page: Page, _: Path) -> None:
    _wait_for_pictures(page, ".tile img")


def _map(page: Page, _: Path) -> None:
    page.goto(f"{page.url}?view=map")
    page.locator(".map-place").first.wait_for()
    page.wait_for_load_state("networkidle")


def _duplicates(page: Page, _: Path) -> None:
    page.goto(f"{page.url}?view=duplicates")
    _wait_for_pictures(page, ".group img.here")


def _judge(page: Page, _: Path) -> None:
    _results(page, _)
    page.locator("#results .hit a").nth(1).click()
    page.get_by_role("dialog").get_by_role("button", name="Yes", exact=True).click()
    page.get_by_text("Kept.").wait_for()
    _wait_for_pictures(page, "dialog img")


def _audit(page: Page, _: Path) -> None:
    page.goto(f"{page.url}?view=wrong-tags")
    _wait_for_pictures(page, ".audit img.here")


def _collection(page: Page, _: Path) -> None:
    page.goto(f"{page.url}manage")
    page.get_by_role("listitem").filter(has_text="In use").wait_for()
    page.get_by_role("img", name="of the exact answer").wait_for()


SHOTS = (
    Shot("photos", _photos),
    Shot("photos-phone-dark", _photos, _PHONE, dark=True),
    Shot("search", _results),
    Shot("search-dark", _like_a_picture, dark=True),
    Shot("why", _heat_map),
    Shot("judge", _judge),
    Shot("map", _map),
    Shot("duplicates", _duplicates),
    Shot("check-tags", _audit),
    Shot("collection", _collection, (1180, 1190)),
    Shot("search-phone", _results, _PHONE),
    Shot("collection-phone-dark", _collection, _PHONE, dark=True),
)


def _wait_for_pictures(page: Page, selector: str) -> None:
    """Waits until those that are in sight are drawn; what lies below loads when it's needed."""
    page.locator(selector).first.wait_for()
    page.wait_for_function(
        """(selector) => [...document.querySelectorAll(selector)]
          .filter((image) => image.getBoundingClientRect().top < innerHeight)
          .every((image) => image.complete && image.naturalWidth > 0)""",
        arg=selector,
    )


def take(browser: Browser, url: str, shot: Shot, picture: Path) -> bytes:
    """The shot as a PNG."""
    width, height = shot.size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if shot.dark else "light",
        # Nothing is taken while it moves.
        reduced_motion="reduce",
    )
    try:
        page = context.new_page()
        page.goto(url)
        shot.prepare(page, picture)
        page.mouse.move(0, 0)
        return page.screenshot()
    finally:
        context.close()


def small(png: bytes) -> bytes:
    """The picture in as many colours as fit into a small file; all of them where they do."""
    with Image.open(io.BytesIO(png)) as image:
        full = image.convert("RGB")
    for colours in _COLOURS:
        if len(png) <= _MOST_BYTES:
            break
        out = io.BytesIO()
        full.quantize(colours, Image.Quantize.FASTOCTREE).save(out, "PNG", optimize=True)
        png = out.getvalue()
    return png


def _told(manifest: Path) -> None:
    """Give the pictures of a manifest dates and places, add copies, mistake some tags."""
    rng = random.Random(1)  # noqa: S311
    with manifest.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        _taken(manifest.parent / row["path"], rng)
    for row in rng.sample(rows, _COPIES):
        path = manifest.parent / row["path"]
        copy = path.with_stem(f"{path.stem}-copy")
        with Image.open(path) as image:
            image.save(copy, quality=75)
        rows.append(row | {"path": str(copy.relative_to(manifest.parent))})
    for row in rng.sample(rows, _WRONG):
        row["tags"] = rng.choice(rows)["tags"]
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _taken(path: Path, rng: random.Random) -> None:
    exif = Image.Exif()
    taken = datetime(2026, 11, 20, 18) - timedelta(days=rng.expovariate(1 / 200))
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = f"{taken:%Y:%m:%d %H:%M:%S}"
    exif[ExifTags.Base.Model] = "Pentax K-1"
    north, east = (one + rng.uniform(-0.15, 0.15) for one in rng.choice(_PLACES))
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {
            ExifTags.GPS.GPSLatitudeRef: "N" if north >= 0 else "S",
            ExifTags.GPS.GPSLatitude: (abs(north), 0.0, 0.0),
            ExifTags.GPS.GPSLongitudeRef: "E" if east >= 0 else "W",
            ExifTags.GPS.GPSLongitude: (abs(east), 0.0, 0.0),
        }
    )
    with Image.open(path) as image:
        image.load()
    image.save(path, exif=exif, quality=90)


def main() -> None:
    folder = Path(sys.argv[1])
    chromium = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if chromium is None:
        raise Misconfigured("The pictures need Chromium: `apt-get install chromium`.")
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        manifest = draw_sample(work / "sample")
        _told(manifest)
        settings = ServiceSettings(
            data_dir=work / "data",
            query_port=free_port(),
            indexer_port=free_port(),
            embedder_port=free_port(),
        )
        with (
            ServiceGroup.local(settings, log_dir=work / "logs") as group,
            Client(group.url("indexer")) as client,
            sync_playwright() as playwright,
        ):
            group.wait_ready(_START_S)
            job = client.send(indexer.ingest(IngestRequest(source=str(manifest))))
            raise_if_failed(wait(client, job, lambda _: None))
            compared = client.send(duplicates.compare())
            raise_if_failed(wait(client, compared, lambda _: None))
            browser = playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--hide-scrollbars"]
            )
            picture = min(manifest.parent.glob(f"{_TERM}-*.jpg"))
            folder.mkdir(parents=True, exist_ok=True)
            for shot in SHOTS:
                png = small(take(browser, group.url("query"), shot, picture))
                (folder / f"{shot.name}.png").write_bytes(png)


if __name__ == "__main__":
    main()
