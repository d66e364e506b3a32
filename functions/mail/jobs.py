"""Mail's triggers. Every app sends: they share one queue, and whoever takes a message sends it."""

import azure.functions as func

from shared_code.container import Container
from shared_code.storage import events


def register(app: func.FunctionApp, container: Container) -> None:
    @app.function_name("mail_purge")
    @app.timer_trigger(arg_name="timer", schedule="0 30 2 * * *", run_on_startup=False, use_monitor=True)
    async def mail_purge(timer: func.TimerRequest) -> None:
        """Nightly: what became of mails, after a month; the local outbox, after a week or 500 mails."""
        await container.mail_records.purge()
        if container.mail_outbox is not None:
            await container.mail_outbox.trim()

    if not container.settings.storage_configured:
        return  # memory knows no triggers: events are handled where they are sent

    @app.function_name("mail_events")
    @app.queue_trigger(arg_name="message", queue_name=events.queue_of("mail"), connection=container.settings.storage_connection_name)
    async def mail_events(message: func.QueueMessage) -> None:
        """One message to send."""
        await container.mail_events.handle(events.parse(message.get_body().decode()))
