"""The models as they are now: defaults, switches that work everywhere, an open server's list."""

import asyncio

import pytest

from shared_code.ai import directory
from shared_code.ai.catalogue import OPENAI, Catalogue
from shared_code.ai.ports import NoAnswer
from shared_code.errors import InvalidInput, NotFound, StorageUnavailable, UpstreamFailed, UpstreamTimeout
from tests.unit.ai.scripted import MODELS, Stage, stage, whole
from tests.unit.apps import WatchedTables


def opened(*names: str, url: str = "http://ollama.test/v1") -> Stage:
    scene = stage(whole(), catalogue=Catalogue(open_at=url))
    scene.upstream.listed = list(names)
    return scene


async def test_the_first_is_the_default() -> None:
    directory = stage(whole()).directory
    assert (await directory.find(None)).name == "large"
    assert (await directory.find(None, "embedding")).name == "vectors"
    assert (await directory.find("small")).name == "small"
    assert [listed.model.name for listed in await directory.all()] == ["large", "small", "sees", "vectors"]


@pytest.mark.parametrize(("name", "kind"), [("nope", "chat"), ("vectors", "chat"), ("large", "embedding"), ("", "chat")])
async def test_what_is_not_there(name: str, kind: str) -> None:
    with pytest.raises(NotFound) as raised:
        await stage(whole()).directory.find(name, kind)  # type: ignore[arg-type]  # one of both
    assert (raised.value.code, raised.value.extra) == ("model_not_found", {"param": "model"})


async def test_a_switch_works_everywhere_within_ten_seconds() -> None:
    scene = stage(whole())
    other = scene.another()
    await other.find("large")
    assert not (await scene.directory.switch("large", enabled=False)).enabled
    with pytest.raises(NotFound):
        await scene.directory.find("large")
    await other.find("large")
    scene.clock.advance(10)
    with pytest.raises(NotFound):
        await other.find("large")
    assert (await other.find(None)).name == "small", "the default is the next"
    assert not (await other.get("large")).enabled
    assert [listed.enabled for listed in await other.all()] == [False, True, True, True]
    assert (await scene.directory.switch("large", enabled=True)).enabled
    assert (await scene.directory.find("large")).name == "large"


async def test_a_fallback_out_of_service_is_not_asked() -> None:
    scene = stage(whole())
    await scene.directory.switch("small", enabled=False)
    assert [model.name for model in scene.directory.candidates(MODELS[0], sees=False)] == ["large", "sees"]


def watch(scene: Stage) -> WatchedTables:
    tables = WatchedTables(scene.storage.tables)
    scene.directory._tables = scene.directory._notices._tables = tables
    return tables


async def test_switches_are_read_again_only_where_there_was_notice() -> None:
    scene = stage(whole())
    await scene.directory.find(None)
    tables, other = watch(scene), scene.another()
    for _ in range(10):
        await scene.directory.find(None)
    assert tables.calls == []
    scene.clock.advance(5)
    await scene.directory.find(None)
    assert tables.calls == ["query notices"]
    await other.switch("small", enabled=False)
    scene.clock.advance(5)
    await scene.directory.find(None)
    assert tables.calls == ["query notices"] * 2 + ["query aimodels"]


async def test_while_storage_is_down_what_is_known_counts_for_a_while() -> None:
    scene = stage(whole())
    await scene.directory.find(None)
    tables = watch(scene)

    def down(verb: str, table: str) -> None:
        raise StorageUnavailable("down")

    tables.before = down
    scene.clock.advance(4.9)
    await scene.directory.find(None)
    scene.clock.advance(0.1)
    with pytest.raises(StorageUnavailable):
        await scene.directory.find(None)


async def test_no_switch_for_what_is_not_ours() -> None:
    with pytest.raises(NotFound):
        await stage(whole()).directory.switch("nope", enabled=False)
    with pytest.raises(InvalidInput):
        await opened("llama3").directory.switch("llama3", enabled=False)


async def test_an_open_server_is_asked_what_it_has() -> None:
    scene = opened("llama3", "hf.co/meta/llama", "nomic-embed-text")
    model = await scene.directory.find(None)
    assert (model.name, model.deployment, model.base_url, model.price) == ("llama3", "llama3", "http://ollama.test/v1", None)
    assert (await scene.directory.find("hf.co/meta/llama")).name == "hf.co/meta/llama"
    assert (await scene.directory.find(None, "embedding")).name == "nomic-embed-text"
    assert scene.directory.candidates(model, sees=True) == [model]


async def test_a_model_that_was_pulled_just_now() -> None:
    scene = opened("llama3")
    await scene.directory.find("llama3")
    scene.upstream.listed = ["llama3", "qwen"]
    with pytest.raises(NotFound):
        await scene.directory.find("qwen")
    scene.clock.advance(6)
    assert (await scene.directory.find("qwen")).name == "qwen"


async def test_a_server_that_is_down() -> None:
    scene = opened("llama3")
    scene.upstream.listed = NoAnswer("no connection")
    with pytest.raises(UpstreamFailed):
        await scene.directory.find(None)
    scene.upstream.listed = ["llama3"]
    await scene.directory.find(None)
    scene.upstream.listed = NoAnswer("no connection")
    scene.clock.advance(100)
    for _ in range(5):
        assert (await scene.directory.find("llama3")).name == "llama3", "the last list counts"
    assert scene.upstream.lists == 3, "and is not asked for at each request"


async def test_of_openais_own_list_only_what_our_routes_take() -> None:
    scene = opened("whisper-1", "dall-e-3", "gpt-4o-audio-preview", "gpt-4o", "text-embedding-3-small", "tts-1", url=OPENAI)
    assert [listed.model.name for listed in await scene.directory.all()] == ["gpt-4o", "text-embedding-3-small"]


async def test_names_that_no_header_takes_are_left_out() -> None:
    scene = opened("ok", "模型", "a\r\nb")
    assert [listed.model.name for listed in await scene.directory.all()] == ["ok"]


async def test_a_list_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "LISTED_WITHIN", 0.01)
    scene = opened("llama3")

    async def never(base_url: str) -> list[str]:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(scene.upstream, "names", never)
    with pytest.raises(UpstreamTimeout):
        await scene.directory.find(None)


async def test_many_at_once_ask_once() -> None:
    scene = opened("llama3")
    await asyncio.gather(*(scene.directory.find(None) for _ in range(20)))
    assert scene.upstream.lists == 1
