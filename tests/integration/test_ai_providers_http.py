"""The gateway before several providers, over real connections: Azure's paths and identities, and clients that are slow or gone."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx
import openai
import pytest

from tests.aiserver import AiServer, start_aiserver, text
from tests.integration.support import NO_TLS, Host, User, eventually, register, running_host
from tests.unit.apps import make_app

PATH = "/api/ai/v1/chat/completions"
AZURE_KEY = "key-of-the-account"


class Endless(BaseHTTPRequestHandler):
    """A provider whose answer is 200 MiB, as fast as it is taken."""

    sent = 0
    limit = 200 * 2**20

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        frame = b'data: {"choices":[{"index":0,"delta":{"content":"' + b"x" * 20_000 + b'"},"finish_reason":null}]}\n\n'
        try:
            while Endless.sent < Endless.limit:
                Endless.sent += self.wfile.write(frame)
        except OSError:
            pass  # it has been cancelled
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def endless() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def models(ai: AiServer, endless: str) -> str:
    prices = {"input": "1", "output": "2"}
    return json.dumps(
        [
            {
                "name": "gpt",
                "provider": "azure",
                "deployment": "my-gpt",
                "endpoint": ai.url,
                "prices": prices,
                "max_output_tokens": 100_000,
            },
            {"name": "vectors", "provider": "azure", "deployment": "my-vectors", "endpoint": ai.url, "kind": "embedding", "prices": prices},
            {"name": "endless", "provider": "openai", "base_url": endless, "prices": prices},
        ]
    )


@pytest.fixture(scope="module")
def ai() -> Iterator[AiServer]:
    server = start_aiserver()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def app(ai: AiServer, endless: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    settings = {"AI_MODELS": models(ai, endless), "AZURE_OPENAI_ENDPOINT": ai.url, "AZURE_OPENAI_API_KEY": AZURE_KEY}
    with running_host(tmp_path_factory.mktemp("providers"), SERVICES="auth,ai", **settings) as host:
        yield host


@pytest.fixture
def ada(app: Host, ai: AiServer) -> Iterator[User]:
    ai.reset()
    with register(app.url) as user:
        yield user


def client(app: Host, user: User) -> openai.OpenAI:
    token = user.headers["authorization"].removeprefix("Bearer ")
    return openai.OpenAI(api_key=token, base_url=f"{app.url}/api/ai/v1", max_retries=0)


def ask(prompt: str) -> list[openai.types.chat.ChatCompletionMessageParam]:
    return [{"role": "user", "content": prompt}]


def test_azure_with_a_key(ai: AiServer, app: Host, ada: User) -> None:
    ai.serve(text("question", "From Azure."))
    with client(app, ada) as sdk:
        plain = sdk.chat.completions.create(model="gpt", messages=ask("question"))
        chunks = list(sdk.chat.completions.create(model="gpt", messages=ask("question"), stream=True))
        vectors = sdk.embeddings.create(model="vectors", input="question")
    assert plain.choices[0].message.content == "From Azure."
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "From Azure."
    assert vectors.data[0].embedding
    paths = [urlsplit(entry["path"]).path for entry in ai.requests()]
    assert paths == ["/openai/deployments/my-gpt/chat/completions"] * 2 + ["/openai/deployments/my-vectors/embeddings"]


async def test_azure_with_a_managed_identity(ai: AiServer) -> None:
    ai.reset()
    ai.serve(text("question", "Known by identity."))
    app = make_app(AZURE_OPENAI_ENDPOINT=ai.url, AZURE_OPENAI_DEPLOYMENT="my-gpt")
    asked = 0

    async def token() -> str:
        nonlocal asked
        asked += 1
        return "entra-token"

    app.container.__dict__["azure_token"] = token  # in the place of the managed identity's
    async with app.client() as caller:
        answer = await caller.post("/api/auth/register", json={"email": "a@example.com", "password": "correct horse battery"})
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        reply = await caller.post(PATH, json={"messages": ask("question")}, headers=headers)
        listed = await caller.get("/api/ai/v1/models", headers=headers)
    assert reply.json()["choices"][0]["message"]["content"] == "Known by identity."
    assert [(model["id"], model["provider"]) for model in listed.json()["data"]] == [("my-gpt", "azure")]
    assert asked == 1
    await app.container.ai_upstream.aclose()  # type: ignore[attr-defined]  # the real one


def test_a_client_that_leaves_cancels_the_provider_within_a_second(ai: AiServer, app: Host, ada: User) -> None:
    ai.serve(text("endless", "word " * 2000, tick=50))
    with client(app, ada) as sdk:
        sdk.chat.completions.create(model="gpt", messages=ask("anything"))
        idle = ai.connections()
        stream = sdk.chat.completions.create(model="gpt", messages=ask("endless"), stream=True)
        next(iter(stream))
        assert ai.connections() <= idle, "the connection is used again"
        left = time.monotonic()
        stream.close()
    eventually(lambda: ai.connections() < idle, 5, "the end of the provider's stream")
    assert time.monotonic() - left < 1


def test_a_reader_of_a_byte_a_second_holds_the_provider_back(app: Host, ada: User) -> None:
    body = json.dumps({"model": "endless", "stream": True, "messages": ask("Go on.")}).encode()
    with client(app, ada) as sdk:  # the first request loads the SDK
        sdk.chat.completions.create(model="gpt", messages=ask("anything"))
    before = app.rss()
    address = urlsplit(app.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: {ada.headers['authorization']}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        assert connection.recv(1) == b"H"
        peak, seen = 0, -1
        while seen != Endless.sent:
            seen = Endless.sent
            time.sleep(0.5)  # the reader's pace is the point; what is between is full when nothing more is sent meanwhile
            connection.recv(1)
            peak = max(peak, app.rss())
    # The operating system keeps some megabytes of each connection.
    assert 0 < Endless.sent < 40 * 2**20
    assert peak - before < 16 * 2**20, f"{(peak - before) / 2**20:.1f} MiB"


def test_readiness_and_liveness(app: Host) -> None:
    checks = httpx.get(f"{app.url}/health/ready", timeout=30, verify=NO_TLS).json()["checks"]
    assert {name: check["status"] for name, check in checks.items() if name.startswith("ai")} == {"ai:gpt": "ok", "ai:endless": "down"}
