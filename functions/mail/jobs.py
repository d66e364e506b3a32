"""Mail's queue. Every app sends: they share one queue, and whoever takes a message sends it."""

import azure.functions as func

from shared_code.container import Container
from shared_code.storage import events


def register(app: func.FunctionApp, container: Container) -> None:
    if not container.settings.storage_configured:
        return  # memory knows no triggers: events are handled where they are sent

    @app.function_name("mail_events")
    @app.queue_trigger(arg_name="message", queue_name=events.queue_of("mail"), connection=container.settings.storage_connection_name)
    async def mail_events(message: func.QueueMessage) -> None:
        """One message to send."""
        await container.mail_events.handle(events.parse(message.get_body().decode()))
