"""The AI gateway's triggers: everybody's usage, the nightly purge, events from other services."""

import azure.functions as func

from shared_code.container import Container
from shared_code.storage import events


def register(app: func.FunctionApp, container: Container) -> None:
    @app.function_name("ai_statistics")
    @app.timer_trigger(arg_name="timer", schedule="45 */5 * * * *", run_on_startup=False, use_monitor=True)
    async def ai_statistics(timer: func.TimerRequest) -> None:
        """Every five minutes: everybody's usage added up."""
        await container.ai_statistics.roll_up()

    @app.function_name("ai_recount_statistics")
    @app.timer_trigger(arg_name="timer", schedule="0 15 3 * * *", run_on_startup=False, use_monitor=True)
    async def ai_recount_statistics(timer: func.TimerRequest) -> None:
        """Nightly: every account counted anew, in case a change went unnoticed."""
        await container.ai_statistics.recount()

    @app.function_name("ai_purge")
    @app.timer_trigger(arg_name="timer", schedule="0 55 2 * * *", run_on_startup=False, use_monitor=True)
    async def ai_purge(timer: func.TimerRequest) -> None:
        """Nightly: usage of more than thirteen months ago."""
        await container.ai_purge.run()

    if not container.settings.storage_configured:
        return  # memory knows no triggers: events are handled where they are sent

    @app.function_name("ai_events")
    @app.queue_trigger(arg_name="message", queue_name=events.queue_of("ai"), connection=container.settings.storage_connection_name)
    async def ai_events(message: func.QueueMessage) -> None:
        """What other parts ask of the gateway."""
        await container.ai_events.handle(events.parse(message.get_body().decode()))
