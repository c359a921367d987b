"""Pictures that show words."""

import io

from PIL import Image, ImageDraw, ImageFont


def sign(*lines, size=40, colour="black", ground="white"):
    """A PNG of lines of text."""
    image = Image.new("RGB", (640, 90 + 70 * len(lines)), ground)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        font = ImageFont.load_default(size)
        draw.text((30, 30 + 70 * number), line, font=font, fill=colour)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
