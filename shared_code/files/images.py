"""Image optimization: what happens when the blob of an image has arrived, however often we are told."""

import asyncio
import functools
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from shared_code.clock import Clock
from shared_code.storage.ports import Blobs, EtagMismatch, Missing

from . import imaging
from .models import File, Image, Variant
from .records import Records

log = structlog.get_logger("lydian.files")

GAVE_UP = "The image could not be processed. Upload it again."


@functools.cache
def _threads() -> ThreadPoolExecutor:
    # libvips uses threads of its own; more of ours would only cost memory.
    return ThreadPoolExecutor(max_workers=max(1, (os.cpu_count() or 1) // 2), thread_name_prefix="pixels")


class ImageJob:
    def __init__(self, *, blobs: Blobs, records: Records, clock: Clock, container: str, variants: str) -> None:
        """``container`` holds the originals; ``variants`` is where what is made of them goes."""
        self._blobs, self._records, self._clock = blobs, records, clock
        self._container, self._variants = container, variants

    async def process(self, blob_name: str) -> None:
        """Make the variants of an image and note them in its record.

        A blob without a record, one that is no image, and one that was looked at before change nothing. What the bytes are
        to blame for is noted as ``failed``; storage's trouble is raised, so that the host tries again.
        """
        file = await self._file(blob_name)
        if file is None or file.image is None:
            return
        with tempfile.TemporaryDirectory(prefix="lydian-") as folder:
            path = Path(folder, "original")
            try:
                source_etag = await self._fetch(file, path)
            except (Missing, EtagMismatch):
                return  # removed, or replaced meanwhile: then another event follows
            if source_etag is None:
                return
            try:
                made = await asyncio.get_running_loop().run_in_executor(_threads(), imaging.optimize, str(path))
            except imaging.ImageRejected as error:
                log.info("image_rejected", file_id=file.id, reason=str(error))
                await self._records.set_image(
                    file.id, Image("failed", error=str(error), source_etag=source_etag, processed_at=self._clock.now())
                )
                return
        image = Image(
            "ready",
            width=made.width,
            height=made.height,
            optimized=await self._put(file, "optimized", made.optimized),
            thumbnail=await self._put(file, "thumbnail", made.thumbnail),
            source_etag=source_etag,
            processed_at=self._clock.now(),
        )
        if not await self._records.set_image(file.id, image):
            await self._remove_variants(file.id)  # the file was removed for good while we worked

    async def give_up(self, blob_name: str) -> None:
        """Note that the host has tried five times in vain, so that nobody waits for ever."""
        file = await self._file(blob_name)
        if file is not None and file.image is not None and file.image.status == "pending":
            log.error("image_given_up", file_id=file.id)
            await self._records.set_image(file.id, Image("failed", error=GAVE_UP, processed_at=self._clock.now()))

    async def _file(self, blob_name: str) -> File | None:
        pending = await self._records.find_pending(blob_name)
        if pending is not None:
            return pending.file
        # Looked for second: a pending upload becomes a file, never the other way round.
        return await self._records.find(blob_name)

    async def _fetch(self, file: File, path: Path) -> str | None:
        """Copy the blob to ``path`` and return its ETag; None when this state of it was looked at before."""
        read = await self._blobs.read(self._container, file.id, if_match=file.blob_etag or None)
        etag = read.properties.etag
        image = file.image
        if image is not None and image.status != "pending" and image.source_etag == etag:
            return None
        with path.open("wb") as target:
            async for chunk in read.chunks:
                target.write(chunk)
        return etag

    async def _put(self, file: File, name: str, made: imaging.Variant) -> Variant:
        properties = await self._blobs.put(self._variants, f"{file.id}/{name}", made.data, content_type=made.content_type)
        return Variant(made.content_type, made.size, made.width, made.height, properties.etag)

    async def _remove_variants(self, file_id: str) -> None:
        for name in ("optimized", "thumbnail"):
            await self._blobs.delete(self._variants, f"{file_id}/{name}")
