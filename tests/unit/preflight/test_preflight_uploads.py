"""Uploads that lose bytes, that storage refuses, and that nobody hashes; each with sizes of a few bytes."""

import json
from collections.abc import Iterator

import pytest

from local.preflight import uploads
from local.preflight.report import Outcome
from tests.unit.preflight.looks import BY_NAME, Answering, judge, judged, target
from tests.unit.preflight.servers import Careless, serving


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MIB", 10)


@pytest.mark.parametrize(("stored", "outcome"), [(1000, Outcome.PASS), (999, Outcome.FAIL)])
def test_every_byte_must_arrive(stored: int, outcome: Outcome) -> None:
    finding = judged(BY_NAME["large"], {"/api/files/upload": (201, {"id": "f", "size": stored})})
    assert finding.outcome is outcome, finding


class Storage(Answering):
    """App and storage account in one; ``put`` is what the account says to bytes, ``hashed`` what the queue has found."""

    put, hashed = 201, "ab"
    removed: list[str] = []  # noqa: RUF012 - each subclass has its own

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith("/complete"):
            self.status, found = 200, {"id": "f"}
        else:
            self.status, found = (
                201,
                {"upload_url": f"http://{self.headers['Host']}/blob?sig=x", "file_id": "f", "headers": {"x-ms-blob-type": "BlockBlob"}},
            )
        self.body, self.kind = json.dumps(found).encode(), "application/json"
        Careless.answer(self)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.status, self.body = self.put, b""
        Careless.answer(self)

    def do_GET(self) -> None:
        self.status, self.body = 200, json.dumps({"sha256": self.hashed}).encode()
        Careless.answer(self)

    def do_DELETE(self) -> None:
        self.removed.append(self.path)
        self.status, self.body = 204, b""
        Careless.answer(self)


@pytest.mark.parametrize(
    ("change", "outcome", "said"),
    [
        ({}, Outcome.PASS, "hashed by the queue"),
        ({"put": 403}, Outcome.FAIL, "storage answered 403"),
        ({"hashed": None}, Outcome.FAIL, "the queue that hashes"),
    ],
    ids=str,
)
def test_direct_uploads(change: dict[str, object], outcome: Outcome, said: str) -> None:
    handler = type("Handler", (Storage,), {"removed": [], **change})
    with serving(handler) as server:
        finding = judge("direct", target(f"http://127.0.0.1:{server.server_address[1]}"))
    assert (finding.outcome, said in finding.detail) == (outcome, True), finding
    # What was stored is removed, also where the check fails.
    assert handler.removed == ([] if "put" in change else ["/api/files/f?permanent=true"])  # type: ignore[attr-defined]


class Images(Answering):
    state = "ready"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.status, self.body, self.kind = 201, b'{"id": "f"}', "application/json"
        Careless.answer(self)

    def do_GET(self) -> None:
        self.status, self.body = 200, json.dumps({"image": {"status": self.state, "error": "too large"}}).encode()
        Careless.answer(self)


@pytest.fixture(params=[("ready", Outcome.PASS), ("failed", Outcome.FAIL), ("pending", Outcome.FAIL)], ids=str)
def image(request: pytest.FixtureRequest) -> Iterator[tuple[str, Outcome]]:
    with serving(type("Handler", (Images,), {"state": request.param[0]})) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}", request.param[1]


def test_images_that_are_ready_failed_or_never_looked_at(image: tuple[str, Outcome]) -> None:
    url, outcome = image
    finding = judge("blob-trigger", target(url))
    assert finding.outcome is outcome, finding
