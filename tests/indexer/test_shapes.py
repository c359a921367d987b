"""The shapes of images, told before their pictures are sent. The real services, over HTTP."""

import io

import pytest
from PIL import ExifTags, Image

from shared.clients import indexer
from shared.contracts.indexer import ShapesRequest
from shared.core.errors import BadImage
from shared.media import images


def drawn(width: int, height: int, orientation: int = 1, file_format: str = "JPEG") -> bytes:
    image = Image.new("RGB", (width, height), "teal")
    exif = image.getexif()
    exif[ExifTags.Base.Orientation] = orientation
    out = io.BytesIO()
    image.save(out, file_format, exif=exif)
    return out.getvalue()


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_size_is_that_of_the_upright_picture(orientation: int, file_format: str) -> None:
    data = drawn(60, 40, orientation, file_format)
    assert images.size(data) == images.decode(data).size


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_what_has_no_size_is_a_bad_image(data: bytes) -> None:
    with pytest.raises(BadImage):
        images.size(data)


def test_shapes_are_told_in_the_order_of_the_ids(service):
    added = service.add(drawn(80, 40), drawn(60, 40, orientation=6))
    wide, tall = [item.id for item in added]
    asked = indexer.get_image_shapes(ShapesRequest(ids=[tall, "nobody", wide]))
    assert service.send(asked).ratios == [pytest.approx(2 / 3, abs=1e-3), None, 2]
    assert service.ask(asked) == service.send(asked)
    # The same of its thumbnail, once there is one.
    service.send(indexer.get_thumbnail(tall))
    assert service.send(asked).ratios == [pytest.approx(2 / 3, abs=1e-2), None, 2]
