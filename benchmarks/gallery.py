"""The page's gallery in Chromium, over made-up answers: first paint, frames, blank time, memory.

The answers come from memory, so that what is measured is the page alone. The service's own times
are those of `GET /v1/images`.
"""

import argparse
import io
import json
import os
import random
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI, Request, Response
from PIL import Image, ImageDraw

from services.query import page_files

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_DRAWN = 48
_RATIOS = (1.5, 1.333, 0.75, 1.778, 0.667, 1.0)
_A_DAY = (1, 2, 3, 5, 8, 21, 40)

# From the answer with the first pictures to the frame that has them.
_FIRST_PAINT = """() => new Promise((resolve) => {
  const look = () => {
    const asked = performance.getEntriesByType("resource")
      .filter(({ name }) => name.includes("/v1/images?")).at(0);
    const img = document.querySelector(".tile img.here");
    if (!asked || !img) return requestAnimationFrame(look);
    requestAnimationFrame(() => resolve(performance.now() - asked.responseEnd));
  };
  look();
})"""

# Scrolls at a speed and notes, of each frame, how long it took, and whether the screen has a hole.
_SCROLL = """([speed, ms]) => new Promise((resolve) => {
  const frames = [];
  let [before, blank, longest, empty, emptiest] = [performance.now(), 0, 0, 0, 0];
  const start = before;
  // Few looks: each costs the page time.
  const seen = () => {
    let tiles = false;
    for (const y of [0.3, 0.6, 0.9]) for (const x of [0.3, 0.5, 0.7]) {
      const tile = document.elementFromPoint(innerWidth * x, innerHeight * y)?.closest(".tile");
      if (tile?.querySelector("img.here")) return { tiles: true, pictures: true };
      tiles ||= Boolean(tile);
    }
    return { tiles, pictures: false };
  };
  const frame = (now) => {
    const took = now - before;
    before = now;
    frames.push(took);
    const { tiles, pictures } = seen();
    blank = tiles ? 0 : blank + took;
    empty = pictures ? 0 : empty + took;
    longest = Math.max(longest, blank);
    emptiest = Math.max(emptiest, empty);
    if (now - start > ms)
      return resolve({ frames: frames.slice(1), blank: longest, unpainted: emptiest });
    scrollBy(0, speed * took / 1000);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})"""


def figures(pictures: int, seconds: float) -> dict[str, Any]:
    """Open the gallery of so many pictures and return what was measured."""
    # It comes with the tests' dependencies.
    from playwright.sync_api import sync_playwright

    load = os.getloadavg()[0]
    with _served(pictures) as url, sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, _CHROMIUM)), None)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        began = time.perf_counter()
        page.goto(url)
        first = page.evaluate(_FIRST_PAINT)
        found: dict[str, Any] = {
            "pictures": pictures,
            "load": round(load, 1),
            "first_paint_ms": round(first),
            "opened_ms": round(1000 * (time.perf_counter() - began)),
            "speeds": [_scrolled(page, speed, seconds) for speed in (1000, 3000, 12_000)],
        }
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
        found["jump"] = _scrolled(page, 2000, seconds)
        found["tiles"] = page.locator(".tile").count()
        found |= {"memory_mib": _resident(browser), "script_mib": _script(session)}
        browser.close()
        return found


def _scrolled(page: "Page", speed: int, seconds: float) -> dict[str, float]:
    told = page.evaluate(_SCROLL, [speed, 1000 * seconds])
    frames = sorted(told["frames"])
    return {
        "pixels_per_second": speed,
        "frames_per_second": round(1000 * len(frames) / sum(frames), 1),
        "slowest_1_percent_ms": round(frames[int(0.99 * (len(frames) - 1))], 1),
        "longest_blank_ms": round(told["blank"]),
        "longest_without_picture_ms": round(told["unpainted"]),
    }


def _resident(browser: "Browser") -> float:
    """The memory of the tab's process."""
    session = browser.new_browser_cdp_session()
    told = session.send("SystemInfo.getProcessInfo")["processInfo"]
    sizes = [_bytes(one["id"]) for one in told if one["type"] == "renderer"]
    return round(max(sizes) / 2**20, 1)


def _bytes(process: int) -> int:
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _script(session: "CDPSession") -> float:
    session.send("HeapProfiler.collectGarbage")
    metrics = session.send("Performance.getMetrics")["metrics"]
    used = float(next(m["value"] for m in metrics if m["name"] == "JSHeapUsedSize"))
    return round(used / 2**20, 1)


@contextmanager
def _served(pictures: int) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(_app(pictures), log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _app(pictures: int) -> FastAPI:
    """A stand-in for the query service with so many pictures, some to a day."""
    app = FastAPI()
    page_files.install(app)
    days = _days(pictures)
    every = [image for of in days.values() for image in of]
    starts, before = {}, 0
    for day, of in days.items():
        starts[day] = before
        before += len(of)

    @app.get("/ready")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.get("/v1/stats")
    def stats() -> dict[str, Any]:
        return {"images": pictures, "tags": 0, "clusters": 100, "snapshot": 1}

    @app.get("/v1/images/timeline")
    def timeline() -> dict[str, Any]:
        counts = [{"day": day, "count": len(of)} for day, of in days.items()]
        return {"days": counts, "undated": 0, "total": pictures}

    @app.get("/v1/images")
    def images(request: Request) -> dict[str, Any]:
        given = request.query_params
        start = starts[given["from"]] if "from" in given else 0
        start += int(given.get("offset", 0))
        end = start + int(given.get("limit", 100))
        return {"images": every[start:end], "total": pictures, "next": None}

    @app.get("/v1/images/{image_id}/thumbnail")
    def thumbnail(image_id: str) -> Response:
        headers = {"Cache-Control": "max-age=3600"}
        return Response(_drawn(int(image_id) % _DRAWN), media_type="image/jpeg", headers=headers)

    return app


def _days(pictures: int) -> dict[str, list[dict[str, Any]]]:
    rng = random.Random(1)
    day = datetime(2026, 11, 20, 12)
    left = 0
    found: dict[str, list[dict[str, Any]]] = {}
    for number in range(pictures):
        if not left:
            day -= timedelta(days=1)
            left = rng.choice(_A_DAY)
        left -= 1
        ratio = _RATIOS[number % _DRAWN % len(_RATIOS)]
        image = {
            "id": str(number),
            "uri": f"pictures/{number:06d}.jpg",
            "uris": [f"pictures/{number:06d}.jpg"],
            "tags": [],
            "metadata": {},
            "added_at": "2026-11-20T12:00:00+00:00",
            "file": {
                "width": round(3000 * ratio),
                "height": 3000,
                "taken_at": day.isoformat(),
                "camera": "Pentax K-1",
            },
        }
        found.setdefault(day.isoformat()[:10], []).append(image)
    return found


@cache
def _drawn(number: int) -> bytes:
    """A thumbnail with as much in it as a photo has."""
    rng = random.Random(number)
    ratio = _RATIOS[number % len(_RATIOS)]
    size = (320, round(320 / ratio)) if ratio >= 1 else (round(320 * ratio), 320)
    image = Image.effect_noise(size, 60).convert("RGB")
    pen = ImageDraw.Draw(image)
    for _ in range(30):
        x, y = rng.randrange(size[0]), rng.randrange(size[1])
        colour = tuple(rng.randrange(256) for _ in range(3))
        pen.ellipse((x - 30, y - 20, x + 30, y + 20), fill=colour)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=78)
    return out.getvalue()


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    gallery = commands.add_parser("gallery", help="the page's gallery in Chromium")
    gallery.add_argument("--pictures", type=int, default=100_000)
    gallery.add_argument("--seconds", type=float, default=6.0, help="of scrolling, at each speed")
    gallery.add_argument("--alone", action="store_true", help="tell that other work was stopped")


def run(pictures: int, seconds: float, alone: bool = False) -> dict[str, Any]:
    found = figures(pictures, seconds) | {"alone": alone}
    print(json.dumps(found, indent=2))
    return found
