"""The drawn pictures of the stand-in."""

import io

from PIL import Image, ImageDraw

from tests.browser.stand_in import Picture


def draw(tags: tuple[str, ...], number: int) -> Picture:
    """A shape on a ground; the tag says which, the number moves it about."""
    width, height = ((320, 240), (240, 320), (400, 200))[number % 3]
    ground, ink = {
        "sun": ("#f6d6a8", "#e2703a"),
        "sea": ("#cfe3ee", "#1f5f8b"),
        "leaf": ("#e2ead0", "#3f7a3a"),
    }[tags[0]]
    image = Image.new("RGB", (width, height), ground)
    pen = ImageDraw.Draw(image)
    x, y = 20 + 12 * number, 30 + 8 * number
    if tags[0] == "sun":
        pen.ellipse((x, y, x + 120, y + 120), fill=ink)
    elif tags[0] == "sea":
        pen.rectangle((0, height // 2 + y // 3, width, height), fill=ink)
    else:
        pen.polygon([(x, y), (x + 120, y + 40), (x + 40, y + 130)], fill=ink)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    name = f"{tags[0]}-{number:02d}"
    # An id may hold what an address must quote.
    data = file.getvalue()
    return Picture(f"{tags[0]}&{number:02d}", f"drawn/{name}.jpg", tags, data, width / height)


def draw_all() -> list[Picture]:
    counts = {("sun", "warm"): 36, ("sea", "cold", "water"): 5, ("leaf", "green"): 4}
    return [draw(tags, number) for tags, many in counts.items() for number in range(many)]
