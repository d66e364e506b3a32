"""Stripe and the AI server hang or are gone: their services say so in time, the others do not notice, and they recover by themselves."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.aiserver import AiServer, start_aiserver
from tests.faults.support import Silent, Storage
from tests.integration.support import NO_TLS, Host, User, eventually, register, running_host

CHAT = {"messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture(scope="module")
def stripe() -> Iterator[Silent]:
    found = Silent()
    yield found
    found.close()


@pytest.fixture(scope="module")
def ai() -> Iterator[AiServer]:
    found = start_aiserver()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def host(storage: Storage, stripe: Silent, ai: AiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    names = {"STRIPE_SECRET_KEY": "sk_test_faults", "STRIPE_API_BASE": stripe.url}
    names |= {"OPENAI_API_KEY": "test-key-of-no-one", "OPENAI_BASE_URL": f"{ai.url}/v1"}
    names |= {"AI_MODELS": '[{"name": "small", "provider": "openai"}]'}
    with running_host(tmp_path_factory.mktemp("host"), **storage.settings, **names) as found:
        yield found


@pytest.fixture(scope="module")
def alice(host: Host) -> Iterator[User]:
    with register(host.url) as found:
        found.timeout = 60
        yield found


def ready(host: Host) -> dict[str, str]:
    began = time.monotonic()
    answer = httpx.get(f"{host.url}/health/ready", timeout=10, verify=NO_TLS)
    assert time.monotonic() - began < 4, "each probe has its own time-out"
    assert answer.status_code == 200, "storage is well, and that is what decides"
    return {name: check["status"] for name, check in answer.json()["checks"].items()}


def pays(user: User) -> httpx.Response:
    return user.post("/api/payments/create-payment-intent", json={"amount": "5.00"})


def others_do_not_notice(user: User) -> None:
    for _ in range(20):
        began = time.monotonic()
        assert user.upload(b"hello").status_code == 201
        assert time.monotonic() - began < 3


def test_stripe_is_gone(host: Host, alice: User) -> None:
    assert ready(host)["stripe"] == "down"
    answer = pays(alice)
    assert answer.status_code in (502, 504)
    assert int(answer.headers["retry-after"]) > 0
    others_do_not_notice(alice)


def test_stripe_hangs(host: Host, alice: User, stripe: Silent) -> None:
    stripe.hang()
    with ThreadPoolExecutor() as threads:
        paying = threads.submit(pays, alice)
        others_do_not_notice(alice)
        eventually(lambda: ready(host)["stripe"] == "down", 15)
        assert not paying.done(), "it is still waited for: half a minute at most"
        stripe.close()  # which is when the payer hears of it, who would else wait longer than a test should
        answer = paying.result(30)
    assert answer.status_code in (502, 504)
    assert int(answer.headers["retry-after"]) > 0


def test_the_ai_server_is_killed_and_comes_back(host: Host, alice: User, ai: AiServer) -> None:
    assert alice.post("/api/ai/v1/chat/completions", json=CHAT).status_code == 200
    ai.kill()
    answer = alice.post("/api/ai/v1/chat/completions", json=CHAT)
    assert answer.status_code in (502, 503, 504), answer.text
    assert answer.json()["error"]["message"], "OpenAI's shape"
    eventually(lambda: ready(host)["models"] == "down", 15)
    others_do_not_notice(alice)
    ai.start()
    eventually(lambda: ready(host)["models"] == "ok", 30)
    eventually(lambda: alice.post("/api/ai/v1/chat/completions", json=CHAT).status_code == 200, 60)


def test_the_ai_server_hangs(host: Host, alice: User, ai: AiServer) -> None:
    ai.freeze()
    try:
        with ThreadPoolExecutor() as threads:
            asking = threads.submit(impatient, alice)
            others_do_not_notice(alice)
            eventually(lambda: ready(host)["models"] == "down", 15)
            assert asking.result(30), "who does not want to wait need not"
    finally:
        ai.thaw()
    eventually(lambda: ready(host)["models"] == "ok", 30)
    eventually(lambda: alice.post("/api/ai/v1/chat/completions", json=CHAT).status_code == 200, 60)
    assert host.process.poll() is None


def impatient(user: User) -> bool:
    try:
        user.post("/api/ai/v1/chat/completions", json={**CHAT, "stream": True}, timeout=3)
    except httpx.TimeoutException:
        return True
    return False
