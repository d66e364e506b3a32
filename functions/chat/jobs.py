"""Chat's triggers: what follows answers and deletions, and what those left who died."""

import azure.functions as func

from shared_code.container import Container
from shared_code.storage import events


def register(app: func.FunctionApp, container: Container) -> None:
    @app.function_name("chat_sweep")
    @app.timer_trigger(arg_name="timer", schedule="*/30 * * * * *", run_on_startup=False, use_monitor=True)
    async def chat_sweep(timer: func.TimerRequest) -> None:
        """Every half minute: answers whose instance has died end as failed, with their text so far."""
        await container.chat_finishing.sweep()

    @app.function_name("chat_purge")
    @app.timer_trigger(arg_name="timer", schedule="40 */10 * * * *", run_on_startup=False, use_monitor=True)
    async def chat_purge(timer: func.TimerRequest) -> None:
        """Every ten minutes: deletions whose message was lost, and what imports left that died."""
        await container.chat_removal.sweep()

    if not container.settings.storage_configured:
        return  # memory knows no triggers: events are handled where they are sent

    @app.function_name("chat_events")
    @app.queue_trigger(arg_name="message", queue_name=events.queue_of("chat"), connection=container.settings.storage_connection_name)
    async def chat_events(message: func.QueueMessage) -> None:
        """What has been answered or deleted: the search index, titles, removal."""
        await container.chat_events.handle(events.parse(message.get_body().decode()))
