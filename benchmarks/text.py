"""Text in pictures: recall and precision on drawn text, and pictures a second."""

import argparse
import io
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from demo.sample import SUBJECTS, draw_picture
from services.indexer.reading.reader import ReaderProcess, TextReader
from shared.terms.text_words import text_words

_VOCABULARY = Path("services/embedder/assets/words.vocab.txt")
_FONTS = Path("/usr/share/fonts/truetype")
_SIZE = (1000, 750)
_COUNTED = ("drawn", "read", "right", "pictures", "ms")


@dataclass(frozen=True)
class Drawn:
    """A picture, the words in it, and how they were drawn."""

    data: bytes
    words: list[str]
    kind: str


def fonts() -> list[Path]:
    """Text fonts of this machine, each of several families and cuts."""
    wanted = ("LiberationSans-", "LiberationSerif-", "LiberationMono-", "DejaVuSans", "DejaVuSerif")
    found = [p for p in sorted(_FONTS.rglob("*.ttf")) if p.name.startswith(wanted)]
    return [path for path in found if "Light" not in path.name and "Math" not in path.name]


def vocabulary() -> list[str]:
    """Words of 3 to 11 plain letters."""
    words = _VOCABULARY.read_text().split()[:20_000]
    return [word for word in words if 3 <= len(word) <= 11 and word.isascii() and word.isalpha()]


def draw(number: int, words: Sequence[str], faces: Sequence[Path], photos: Sequence[Path]) -> Drawn:
    """A picture of a dozen words: on plain ground or on a photo, level or turned."""
    rng = random.Random(f"text/{number}")
    chosen = rng.sample(list(words), 12)
    chosen = [rng.choice((str.lower, str.upper, str.capitalize))(word) for word in chosen]
    on_photo = number % 2 == 1 and bool(photos)
    ground = (
        Image.open(rng.choice(list(photos))).convert("RGB").resize(_SIZE)
        if on_photo
        else Image.new(
            "RGB", _SIZE, rng.choice(("white", "#f4efe2", "#20304a", "#2f6b3c", "#c8c8c8"))
        )
    )
    angle = rng.uniform(-20, 20) if number % 3 == 0 else 0.0
    layer = Image.new("RGBA", _SIZE, (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    top: float = 90 if angle else 20
    placed: list[str] = []
    while chosen:
        size = rng.choice((22, 26, 32, 40, 52, 64))
        font = ImageFont.truetype(str(rng.choice(list(faces))), size)
        # Letters without descenders and ascenders are about half as tall as their font.
        line = [chosen.pop() for _ in range(min(len(chosen), 1 if size > 45 else 2))]
        text = " ".join(line)
        left = rng.randint(150 if angle else 20, 250)
        if pen.textlength(text, font=font) > _SIZE[0] - left - (150 if angle else 20):
            line, text = line[:1], line[0]
        if top + size * 1.3 > _SIZE[1] - (90 if angle else 10):
            break
        box = pen.textbbox((left, top), text, font=font)
        light = _is_light(ground, box)
        ink = (
            rng.choice(("black", "#102a66", "#6b0f0f"))
            if light
            else rng.choice(("white", "#ffe36e"))
        )
        edge = ("white" if light else "black") if on_photo else None
        pen.text(
            (left, top), text, font=font, fill=ink, stroke_width=2 if edge else 0, stroke_fill=edge
        )
        placed += line
        top = box[3] + rng.randint(12, 24)
    if angle:
        layer = layer.rotate(angle, Image.Resampling.BICUBIC)
    ground.paste(layer, (0, 0), layer)
    out = io.BytesIO()
    ground.save(out, "JPEG", quality=88)
    kind = f"{'photo' if on_photo else 'plain'}, {'turned' if angle else 'level'}"
    return Drawn(out.getvalue(), placed, kind)


def _is_light(ground: Image.Image, box: tuple[float, float, float, float]) -> bool:
    part = (
        ground.crop((int(box[0]), int(box[1]), int(box[2]), int(box[3])))
        .convert("L")
        .resize((1, 1))
    )
    value = part.getpixel((0, 0))
    return isinstance(value, int | float) and value > 120


def bare(number: int) -> Drawn:
    """A drawn scene without text."""
    rng = random.Random(f"bare/{number}")
    picture = draw_picture(list(SUBJECTS)[number % len(SUBJECTS)], rng).image.resize((800, 600))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=88)
    return Drawn(out.getvalue(), [], "no text")


def keys(words: Sequence[str]) -> Counter[str]:
    return Counter(key for word in words for key in text_words(word))


def measure(reader: ReaderProcess, pictures: Iterator[Drawn]) -> dict[str, dict[str, float]]:
    """Recall and precision of each kind, and the time."""
    found: dict[str, Counter[str]] = {}
    for picture in pictures:
        counts = found.setdefault(picture.kind, Counter())
        start = time.perf_counter()
        read = keys([word.text for word in reader.read(picture.data)])
        counts["ms"] += round(1000 * (time.perf_counter() - start))
        there = keys(picture.words)
        counts["pictures"] += 1
        counts["drawn"] += there.total()
        counts["read"] += read.total()
        counts["right"] += (read & there).total()
        counts["with words"] += bool(read)
    return {kind: dict(counts) for kind, counts in found.items()}


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `text`."""
    parser = commands.add_parser("text", help="text in pictures: recall, precision, speed")
    parser.add_argument("--pictures", type=int, default=300, help="with text, and as many without")
    parser.add_argument("--first", type=int, default=0, help="number of the first, which draws it")
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/photos/caltech101"))
    parser.add_argument("--threads", type=int, default=1)


def run(asked: argparse.Namespace) -> dict[str, Any]:
    """Draw pictures with and without text, and read them."""
    photos = sorted(asked.photos.glob("*/*.jpg"))[::7]
    words, faces = vocabulary(), fonts()
    numbers = range(asked.first, asked.first + asked.pictures)
    cpu = _cpu_of_children()
    with TextReader(asked.threads, 10**8).opened() as reader:
        reader.start()
        # Photos that have text of their own would count as misread.
        photos = [path for path in photos[:60] if not reader.read(path.read_bytes())]
        found = measure(reader, (draw(number, words, faces, photos) for number in numbers))
        found |= measure(reader, (bare(number) for number in numbers))
    total = {name: sum(counts.get(name, 0) for counts in found.values()) for name in _COUNTED}
    return {
        "kinds": found,
        "threads": asked.threads,
        "first": asked.first,
        "pictures": asked.pictures,
        "recall": round(total["right"] / total["drawn"], 4),
        "precision": round(total["right"] / total["read"], 4),
        "pictures_a_second": round(1000 * total["pictures"] / total["ms"], 2),
        "cpu_seconds_a_picture": round(
            (_cpu_of_children() - cpu) / (total["pictures"] + len(photos)), 3
        ),
    }


def _cpu_of_children() -> float:
    """Processor time of the readers that have ended, in seconds."""
    used = os.times()
    return used.children_user + used.children_system
