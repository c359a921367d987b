"""The bytes of images: stored uploads, files of sources in place, and thumbnails."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from services.indexer.catalog import stored_names
from services.indexer.catalog.locations import Place
from services.indexer.sources.resolver import Resolver
from services.indexer.sources.sidecar import first_of, names_beside, sidecar_of
from services.indexer.storage.blob_store import BlobStore, LocalBlobStore
from services.indexer.storage.large_video import LargeVideo
from services.indexer.storage.sending import FileSender, is_its, missing
from services.indexer.storage.verified_files import VerifiedFiles
from shared.core.errors import (
    BadImage,
    Forbidden,
    InvalidInput,
    NotFound,
    TooLarge,
    Unavailable,
)
from shared.media import images, video_head
from shared.media.limited.scaler import Scaler
from shared.objects.address import WEB
from shared.objects.file import File, LocalFile

_FRAME_PIXELS = 1280
"""Longer side of a video's key frames: networks look at less."""


class ImageFiles:
    """`uploads/` and `thumbnails/`, both by id, never by a name from outside; and the files of
    sources, as the catalogue says where they are."""

    def __init__(
        self,
        data_dir: Path,
        thumbnail_pixels: int,
        max_pixels: int,
        resolver: Resolver | None = None,
        kept: BlobStore | None = None,
        max_bytes: int = 2**26,
        scaler: Scaler | None = None,
        max_video_bytes: int = 2**34,
        is_there: Callable[[str], bool] = lambda image_id: True,
    ) -> None:
        """`kept`: storage of uploads and thumbnails, by default `images/` in the data directory.
        `scaler`: makes thumbnails; `close` ends it. `is_there`: tells whether one is an image, or
        in the trash.
        """
        self._here = LocalBlobStore(data_dir / "images")
        self._kept: BlobStore = kept or self._here
        self._resolver = resolver or Resolver()
        self._pixels = thumbnail_pixels
        self._max_pixels = max_pixels
        self._max_bytes = max_bytes
        self._scaler = scaler or Scaler()
        self._max_video_bytes = max_video_bytes
        self._is_there = is_there
        self._verified = VerifiedFiles()
        self.sender = FileSender(self.file, self._verified, max_bytes)

    def close(self) -> None:
        """End the processes that make thumbnails, and the reading in the background."""
        self._verified.close()
        self._scaler.close()

    def keep(self, image_id: str, name: str, uri: str, data: bytes) -> Place:
        """Store an upload durably under a name, once. `uri` is only remembered, as its own name."""
        if not self._kept.has(name):
            self._kept.write(name, data, "upload")
        return self.kept_place(image_id, self._kept.file(name).path, uri, len(data))

    def kept_place(self, image_id: str, path: str, uri: str, size: int) -> Place:
        """Return the place of an upload that is stored."""
        place = Place(path, uri.replace("\\", "/").rsplit("/", 1)[-1] or image_id, 0, size)
        file = self.file(image_id, place)
        # Only for local files: elsewhere the time would cost another request, and isn't used. A
        # concurrent deletion may remove the file; whoever records it finds that out.
        with suppress(FileNotFoundError):
            if file.is_local and (stamp := file.stamp()) is not None:
                return replace(place, mtime_ns=stamp.mtime_ns)
        return place

    def has(self, name: str) -> bool:
        """Tell whether a file is stored, whatever the data folder was called then."""
        return self._kept.has(name)

    def file(self, image_id: str, place: Place) -> File:
        """Return the file at a location.

        Uploads are found by name, even if the data folder has moved.
        """
        if (name := stored_names.upload_of(image_id, place.path)) is not None:
            return self._kept.file(name)
        try:
            return self._resolver.file(self._resolver.address(place.path))
        except InvalidInput:
            # It was imported beside a vector, or its protocol is no longer allowed: treat it as
            # missing.
            return LocalFile(Path(place.path))
        except Forbidden:
            return LocalFile(Path(place.path), roots=())

    def sidecar(self, image_id: str, place: Place) -> bytes | None:
        """Return the XMP file beside an image's file, or None. Raises Unavailable."""
        if stored_names.upload_of(image_id, place.path) is not None:
            return None
        file = self.file(image_id, place)
        if file.is_local:
            return sidecar_of(file)
        try:
            address = self._resolver.address(file.path)
            folder, slash, name = address.path.rpartition("/")
            beside = [
                self._resolver.file(replace(address, path=f"{folder}{slash}{one}"))
                for one in names_beside(name)
                if address.protocol not in WEB
            ]
        except (Forbidden, InvalidInput):
            return None
        return first_of(beside)

    def read(self, image_id: str, places: list[Place]) -> tuple[bytes, str]:
        """An image's own bytes and media type; see `read_one`."""
        data, media_type, _ = self.read_one(image_id, places)
        return data, media_type

    def read_one(self, image_id: str, places: list[Place]) -> tuple[bytes, str, Place]:
        """The bytes of the first of an image's files that is there, their media type and place.

        The bytes that are returned were hashed: a time and a size are no proof, and some file
        systems keep no time that a program can't set. Raises NotFound when they are gone, changed
        or outside the roots, Unavailable where no source answers.
        """
        # A uri imported beside a vector isn't a path.
        places = [place for place in places if place.has_file]
        if not places:
            raise NotFound(f"Image {image_id!r} has no file: it was imported as a vector.")
        unavailable: Unavailable | None = None
        outside = 0
        for place in places:
            try:
                data = self._bytes(image_id, place)
            except Unavailable as error:
                unavailable = error
            except Forbidden:
                outside += 1
            except (OSError, BadImage, InvalidInput, TooLarge):
                continue
            else:
                if data is not None:
                    return data, images.media_type(data), place
        raise unavailable or missing(image_id, is_outside=outside == len(places))

    def _bytes(self, image_id: str, place: Place) -> bytes | None:
        """Return the bytes at a location, or None if they are another picture's by now."""
        # The limit may have been lowered since the file was added.
        file, most = self.file(image_id, place), max(self._max_bytes, place.bytes)
        # Not all of a large file is held to find that it is another one by now.
        if isinstance(file, LocalFile) and place.bytes > self._max_bytes:
            with file.opened() as content:
                if not self._is_verified(content, image_id, place):
                    return None
        data = file.read(most)
        found = hashlib.sha256(data).hexdigest()
        return data if is_its(found, image_id, place) else None

    def thumbnail(self, image_id: str, places: list[Place]) -> bytes:
        """A JPEG whose longer side is at most the set number of pixels; made once."""
        key = stored_names.thumbnail(image_id)
        try:
            return self._kept.read(key)
        except FileNotFoundError:
            pass
        with self._shown(image_id, places) as (original, file):
            data = self._scaler.thumbnail(original, self._pixels, self._max_pixels, file)
        self._kept.write(key, data, "thumbnail")
        if not self._is_there(image_id):
            # It was deleted for good meanwhile, and its files removed.
            self._kept.remove(key)
        return data

    def key_frames(
        self, image_id: str, places: list[Place], most: int
    ) -> list[tuple[float, bytes]]:
        """Up to `most` frames of a video that differ from each other, as PNG, with their seconds.

        Raises NotFound, BadImage, Unavailable.
        """
        with self._shown(image_id, places) as (data, file):
            return self._scaler.key_frames(data, most, _FRAME_PIXELS, self._max_pixels, file)

    def picture(self, image_id: str, places: list[Place]) -> bytes:
        """An image's own bytes, or of a large video its poster. Raises as `read`, and BadImage."""
        with self._shown(image_id, places) as (data, file):
            if file is None:
                return data
            return self._scaler.thumbnail(data, _FRAME_PIXELS, self._max_pixels, file)

    def head(self, image_id: str, places: list[Place]) -> bytes:
        """Return what tells the facts of an image's file: all of it, or of a large video the head.

        Raises as `read`.
        """
        with self._shown(image_id, places) as (data, _):
            return data

    def large_video(self, file: File) -> LargeVideo | None:
        """Return what is known of a large video in a file of this machine; None for other files.

        Raises OSError, Forbidden, BadImage, and TooLarge over ISE_MAX_VIDEO_BYTES.
        """
        if not isinstance(file, LocalFile):
            return None
        with file.opened() as content:
            head = video_head.head_bytes(content)
            if head is None:
                return None
            size = os.fstat(content.fileno()).st_size
            if size > self._max_video_bytes:
                limit = self._max_video_bytes / 2**20
                raise TooLarge(
                    f"The video is over the limit of {limit:g} MiB (ISE_MAX_VIDEO_BYTES)."
                )
            digest = self._verified.sha256(content)
            poster = self._scaler.thumbnail(head, _FRAME_PIXELS, self._max_pixels, content)
        return LargeVideo(digest, poster, head)

    @contextmanager
    def _shown(self, image_id: str, places: list[Place]) -> Iterator[tuple[bytes, BinaryIO | None]]:
        """The bytes to decode; of a large video its head, and its open file.

        As in `read`, the bytes were hashed. Raises as that does.
        """
        with ExitStack() as stack:
            large = self._large(image_id, places, stack)
            yield (self.read(image_id, places)[0], None) if large is None else large

    def _large(
        self, image_id: str, places: list[Place], stack: ExitStack
    ) -> tuple[bytes, BinaryIO] | None:
        """The head and the open file of a large video of this machine; None: it is none."""
        for place in places:
            file = self.file(image_id, place)
            is_large = place.has_file and place.bytes > self._max_bytes
            if not is_large or not isinstance(file, LocalFile):
                continue
            try:
                content = stack.enter_context(file.opened())
                head = video_head.head_bytes(content)
                is_its_own = head is not None and self._is_verified(content, image_id, place)
            except (OSError, Forbidden):
                continue
            if head is not None and is_its_own:
                return head, content
        return None

    def _is_verified(self, content: BinaryIO, image_id: str, place: Place) -> bool:
        """Return whether an open file has an image's bytes; one of another size isn't read."""
        has_size = os.fstat(content.fileno()).st_size == place.bytes
        return has_size and is_its(self._verified.sha256(content), image_id, place)

    def shape(self, image_id: str, places: list[Place]) -> tuple[int, int]:
        """Width and height; of the thumbnail where there is one, which has the same proportions.

        Raises NotFound, BadImage.
        """
        try:
            data = self._kept.read(stored_names.thumbnail(image_id))
        except FileNotFoundError:
            data = self.picture(image_id, places)
        return images.size(data)

    @property
    def is_local(self) -> bool:
        """Return whether uploads and thumbnails are stored on this machine."""
        return self._kept.is_local

    def remove(self, names: Sequence[str]) -> tuple[list[str], Exception | None]:
        """Remove stored files; a source's own file is never changed.

        Gives the names of those that are gone, and the first error.
        """
        gone: list[str] = []
        fault: Exception | None = None
        for name, error in zip(names, self._kept.remove_all(names), strict=True):
            if error is None:
                gone.append(name)
            fault = fault or error
        return gone, fault

    def tidy(self) -> None:
        """Remove partial files of a killed process."""
        self._kept.tidy()

    def kept(self, name: str) -> Path:
        """Return the path of a stored file in the data directory, whether or not it exists."""
        return self._here.path(name)
