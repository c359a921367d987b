"""The bytes of images: uploads are kept, files of a source stay where they are; thumbnails."""

import hashlib
import io
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from services.indexer.catalog.places import Place
from shared import durable, failpoints, images
from shared.errors import NotFound


class ImageFiles:
    """`images/uploads/` and `images/thumbnails/`, both by id, never by a name from outside."""

    def __init__(self, data_dir: Path, thumbnail_pixels: int, max_pixels: int) -> None:
        self._uploads = data_dir / "images" / "uploads"
        self._thumbnails = data_dir / "images" / "thumbnails"
        self._pixels = thumbnail_pixels
        self._max_pixels = max_pixels
        # A page of results asks for all its thumbnails at once; large pictures take much memory.
        self._scaling = threading.BoundedSemaphore(os.cpu_count() or 1)

    def keep(self, image_id: str, name: str, data: bytes) -> Place:
        """Stores an upload durably. `name` is only remembered, as its uri."""
        path = self._by_id(self._uploads, image_id)
        if not path.exists():
            durable.write_bytes(path, data, "upload")
        uri = name.replace("\\", "/").rsplit("/", 1)[-1] or image_id
        return Place(str(path.absolute()), uri, path.stat().st_mtime_ns, len(data))

    def upload(self, image_id: str) -> Path | None:
        """Where an upload is kept, whatever the data folder was called then; None for others."""
        path = self._by_id(self._uploads, image_id)
        return path if path.exists() else None

    def read(self, image_id: str, places: list[Place]) -> tuple[bytes, str]:
        """An image's own bytes and media type. Raises NotFound when they are gone or changed."""
        with suppress(FileNotFoundError):
            # Ours, so only we could have changed it; its time and folder may, in a restored copy.
            data = self._by_id(self._uploads, image_id).read_bytes()
            return data, images.media_type(data)
        # A uri that came beside a vector is no path.
        files = [place for place in places if Path(place.path).is_absolute()]
        if not files:
            raise NotFound(f"Image {image_id!r} has no file: it came as a vector.")
        for place in files:
            path = Path(place.path)
            try:
                stat = path.stat()
                if (stat.st_size, stat.st_mtime_ns) == (place.bytes, place.mtime_ns):
                    data = path.read_bytes()
                    return data, images.media_type(data)
            except OSError:
                continue
        raise NotFound(f"The file of image {image_id} is gone or has changed since it was indexed.")

    def thumbnail(self, image_id: str, places: list[Place]) -> bytes:
        """A JPEG whose longer side is at most the set number of pixels; made once."""
        path = self._by_id(self._thumbnails, image_id).with_suffix(".jpg")
        try:
            return path.read_bytes()
        except FileNotFoundError:
            with self._scaling:
                data = self._scaled(self.read(image_id, places)[0])
        durable.write_bytes(path, data, "thumbnail")
        return data

    def shape(self, image_id: str, places: list[Place]) -> tuple[int, int]:
        """Width and height; of the thumbnail where there is one, which has the same proportions.

        Raises NotFound, BadImage.
        """
        try:
            data = self._by_id(self._thumbnails, image_id).with_suffix(".jpg").read_bytes()
        except FileNotFoundError:
            data, _ = self.read(image_id, places)
        return images.size(data)

    def remove(self, image_id: str) -> None:
        """Removes what is kept of an image here; a source's own file is never touched."""
        for path in self.kept(image_id):
            path.unlink(missing_ok=True)

    @contextmanager
    def removing(self, image_ids: Iterable[str]) -> Iterator[None]:
        """Removes what is kept of images at the end of the block; puts it back where it raises.

        Set aside at once: meanwhile the same picture may be uploaded again, and kept anew.
        """
        aside: dict[Path, Path] = {}
        try:
            for path in (path for image_id in image_ids for path in self.kept(image_id)):
                away = durable.temporary_of(path)
                with suppress(FileNotFoundError):
                    path.replace(away)
                    aside[path] = away
            yield
        except BaseException:
            for path, away in aside.items():
                away.replace(path)
            raise
        for away in aside.values():
            failpoints.reach("delete.file")
            away.unlink()

    def kept(self, image_id: str) -> tuple[Path, Path]:
        """Where the upload and the thumbnail of an image are, where it has them."""
        thumbnail = self._by_id(self._thumbnails, image_id).with_suffix(".jpg")
        return self._by_id(self._uploads, image_id), thumbnail

    def _scaled(self, data: bytes) -> bytes:
        image = images.decode(data, self._max_pixels, least=self._pixels)
        image.thumbnail((self._pixels, self._pixels))
        out = io.BytesIO()
        image.save(out, "JPEG", quality=85, progressive=True)
        return out.getvalue()

    @staticmethod
    def _by_id(folder: Path, image_id: str) -> Path:
        # An id may be a user's own text: its hash is a safe name, and spreads over sub-folders.
        safe = hashlib.sha256(image_id.encode()).hexdigest()
        return folder / safe[:2] / safe
