"""Files' triggers: images when a blob arrives, events from other services, the statistics and the nightly purge."""

import json

import azure.functions as func

from shared_code.container import Container
from shared_code.storage import events
from shared_code.web.azure_blob import BlobReference


def register(app: func.FunctionApp, container: Container) -> None:
    settings = container.settings
    connection = settings.storage_connection_name

    @app.function_name("files_statistics")
    @app.timer_trigger(arg_name="timer", schedule="0 */5 * * * *", run_on_startup=False, use_monitor=True)
    async def files_statistics(timer: func.TimerRequest) -> None:
        """Every five minutes: everyone's totals."""
        await container.files_statistics.roll_up()

    @app.function_name("files_recount_statistics")
    @app.timer_trigger(arg_name="timer", schedule="0 5 3 * * *", run_on_startup=False, use_monitor=True)
    async def files_recount_statistics(timer: func.TimerRequest) -> None:
        """Nightly: everyone counted anew, in case a change went unnoticed."""
        await container.files_statistics.recount()

    @app.function_name("files_purge")
    @app.timer_trigger(arg_name="timer", schedule="0 20 2 * * *", run_on_startup=False, use_monitor=True)
    async def files_purge(timer: func.TimerRequest) -> None:
        """Nightly: what retention, expiry and cuts have left behind."""
        await container.files_purge.run()

    if not settings.storage_configured:
        return  # memory knows no triggers: the container starts the image job itself

    source = func.BlobSource.EVENT_GRID if settings.blob_trigger_source == "EventGrid" else func.BlobSource.LOGS_AND_CONTAINER_SCAN

    @app.function_name("files_optimize_image")
    @app.blob_trigger(arg_name="blob", path=f"{settings.files_container}/{{name}}", connection=connection, source=source)
    async def files_optimize_image(blob: BlobReference) -> None:
        """A blob has arrived: make its variants. Only the reference travels to the worker, never the bytes."""
        await container.images.process(blob.name)

    @app.function_name("files_image_poison")
    @app.queue_trigger(arg_name="message", queue_name="webjobs-blobtrigger-poison", connection=connection)
    async def files_image_poison(message: func.QueueMessage) -> None:
        """The host has given up on a blob: its file says so, instead of waiting for ever."""
        body = json.loads(message.get_body())
        if body.get("ContainerName") == settings.files_container:
            await container.images.give_up(str(body.get("BlobName")))

    @app.function_name("files_events")
    @app.queue_trigger(arg_name="message", queue_name=events.queue_of("files"), connection=connection)
    async def files_events(message: func.QueueMessage) -> None:
        """What other parts ask of files."""
        await container.files_events.handle(events.parse(message.get_body().decode()))
