"""From upload to variants through the blob trigger of the host."""

import io
import time
from typing import Any

import pytest
from PIL import Image

from tests import images
from tests.integration.support import User, eventually

JPEG = images.jpeg(images.photo(2400, 1200), exif=images.exif(6))


def fire(owner: User, function: str, given: Any) -> None:
    """As the host delivers an event: again, by hand."""
    assert owner.post(f"/admin/functions/{function}", json={"input": given}).status_code == 202


def test_pending_then_ready(alice: User) -> None:
    began = time.monotonic()
    file = alice.stored(JPEG, "Foto.jpg")
    assert file["image"] == {"status": "pending", "width": None, "height": None, "error": None, "variants": {}, "saved_bytes": None}
    ready = alice.image_settled(file["id"])
    assert time.monotonic() - began < 5
    image = ready["image"]
    assert (image["status"], image["width"], image["height"], image["error"]) == ("ready", 1200, 2400, None)
    assert image["saved_bytes"] == len(JPEG) - image["variants"]["optimized"]["size"]
    assert image["variants"]["optimized"]["height"] == 2000
    default = alice.get(file["url"])
    for variant, kind in (("optimized", "image/jpeg"), ("thumbnail", "image/webp")):
        answer = alice.get(file["url"], params={"variant": variant})
        described = image["variants"][variant]
        assert (answer.headers["content-type"], described["content_type"]) == (kind, kind)
        assert len(answer.content) == described["size"]
        assert Image.open(io.BytesIO(answer.content)).size == (described["width"], described["height"])
        assert images.GPS_MARK not in answer.content
        assert answer.headers["content-disposition"].startswith("inline")
        assert (default.content == answer.content) == (variant == "optimized")
    assert alice.get(file["url"], params={"variant": "original"}).content == JPEG
    assert alice.get(file["url"], params={"variant": "thumbnail"}, headers={"Range": "bytes=0-3"}).content == b"RIFF"


def test_the_same_event_again_changes_nothing(alice: User, storage: Any) -> None:
    file = alice.image_settled(alice.stored(JPEG, "a.jpg")["id"])
    etags = [storage.etag("uploads-variants", f"{file['id']}/{name}") for name in ("optimized", "thumbnail")]
    for _ in range(2):
        fire(alice, "files_optimize_image", f"uploads/{file['id']}")
    assert alice.record(file["id"]) == file
    assert [storage.etag("uploads-variants", f"{file['id']}/{name}") for name in ("optimized", "thumbnail")] == etags


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("truncated.jpg", JPEG[: len(JPEG) // 3]),
        ("bomb.png", images.png_bomb(50_000, 50_000)),
        ("frames.gif", images.gif_bomb(5_000)),
        ("polyglot.gif", b"GIF89a/*" + b"\n*/=1;alert(1)//" * 40),
    ],
)
def test_images_that_fail(alice: User, name: str, data: bytes) -> None:
    file = alice.stored(data, name)
    image = alice.image_settled(file["id"])["image"]
    assert (image["status"], image["variants"]) == ("failed", {})
    assert image["error"]
    assert alice.get(file["url"]).content == data
    fire(alice, "files_optimize_image", f"uploads/{file['id']}")
    assert alice.record(file["id"])["image"] == image


def test_a_blob_without_a_record_is_ignored(alice: User, storage: Any) -> None:
    name = "nobody-knows-this-blob"
    storage.put("uploads", name, JPEG)
    fire(alice, "files_optimize_image", f"uploads/{name}")
    assert not storage.exists("uploads-variants", f"{name}/optimized")
    storage.delete("uploads", name)


def test_deleting_while_the_job_runs_leaves_no_variants(alice: User, storage: Any) -> None:
    ids = [alice.stored(JPEG, f"{n}.jpg")["id"] for n in range(4)]
    for file_id in ids:
        assert alice.delete(f"/api/files/{file_id}", params={"permanent": "true"}).status_code == 204
    last = alice.image_settled(alice.stored(JPEG, "last.jpg")["id"])
    assert last["image"]["status"] == "ready"
    for file_id in ids:
        eventually(lambda file_id=file_id: not storage.names("uploads-variants", file_id), what="the variants' end")  # type: ignore[misc]  # bound now


def test_given_up_after_five_tries(alice: User, storage: Any) -> None:
    """What the host leaves in the poison queue becomes a failed image; one that is ready is left alone."""
    file = alice.image_settled(alice.stored(JPEG, "a.jpg")["id"])
    fire(alice, "files_image_poison", {"Type": "BlobTrigger", "ContainerName": "uploads", "BlobName": file["id"]})
    fire(alice, "files_image_poison", {"Type": "BlobTrigger", "ContainerName": "another", "BlobName": file["id"]})
    assert alice.record(file["id"]) == file
