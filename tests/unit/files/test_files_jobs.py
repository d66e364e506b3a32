"""The triggers as they are registered: which functions there are, and what each does with what the host gives it."""

import json
from collections.abc import Callable
from typing import Any

import azure.functions as func
import pytest

from functions.files import jobs
from shared_code.storage import events
from shared_code.web.azure_blob import BlobReference
from tests import images
from tests.unit.files.apps import FilesApp, make_files_app, owner, stored

PNG = images.encoded(images.photo(20, 20), "PNG")


def registered(app: FilesApp) -> dict[str, Callable[..., Any]]:
    functions = func.FunctionApp()
    jobs.register(functions, app.container)
    return {str(each.get_function_name()): each.get_user_function() for each in functions.get_functions()}


class Told(func.QueueMessage):
    def __init__(self, **fields: Any) -> None:
        super().__init__(body=json.dumps(fields).encode())


async def test_without_storage_there_are_only_timers() -> None:
    assert set(registered(make_files_app())) == {"files_statistics", "files_recount_statistics", "files_purge"}


async def test_each_trigger() -> None:
    app = make_files_app(triggers=True)
    functions = registered(app)
    timers = {"files_statistics", "files_recount_statistics", "files_purge"}
    assert set(functions) == timers | {"files_optimize_image", "files_image_poison", "files_events"}
    timer: Any = None
    async with app.client() as alice:
        first, second = await stored(alice, PNG), await stored(alice, PNG)

        async def image(file: dict[str, Any]) -> Any:
            return (await alice.get(f"/api/files/{file['id']}/metadata")).json()["image"]

        await functions["files_optimize_image"](BlobReference("uploads", first["id"]))
        assert (await image(first))["status"] == "ready"
        poison = functions["files_image_poison"]
        await poison(Told(Type="BlobTrigger", ContainerName="another", BlobName=second["id"]))
        await poison(Told(Type="BlobTrigger", ContainerName="uploads"))
        assert (await image(second))["status"] == "pending"
        await poison(Told(Type="BlobTrigger", ContainerName="uploads", BlobName=second["id"]))
        assert (await image(second))["status"] == "failed"
        await functions["files_statistics"](timer)
        assert (await app.container.files_statistics.latest()).usage.active_files == 2
        await alice.delete(f"/api/files/{first['id']}")
        app.clock.advance(40 * 86_400)
        await functions["files_purge"](timer)
        assert (await app.container.files.usage(owner("alice"))).active_files == 1
        assert (await app.container.files.usage(owner("alice"))).deleted_files == 0


async def test_events() -> None:
    app = make_files_app(triggers=True)
    handle = registered(app)["files_events"]
    await app.container.files_jobs.hash_file("x" * 52)
    [message] = await app.storage.queues.receive(events.queue_of("files"))
    await handle(func.QueueMessage(body=message.text.encode()))
    await app.container.events.send("files", {"kind": "unheard of"})
    [message] = await app.storage.queues.receive(events.queue_of("files"), limit=9)
    with pytest.raises(ValueError, match="unheard of"):
        await handle(func.QueueMessage(body=message.text.encode()))


async def test_event_grid_is_a_setting() -> None:
    functions = func.FunctionApp()
    jobs.register(functions, make_files_app(triggers=True, BLOB_TRIGGER_SOURCE="EventGrid").container)
    [blob] = [each for each in functions.get_functions() if each.get_function_name() == "files_optimize_image"]
    assert blob.get_bindings_dict()["bindings"][0]["source"] == func.BlobSource.EVENT_GRID.value
