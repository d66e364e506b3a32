"""Payments' triggers: Stripe's events from their queue, what is due again, reconciliation, statistics and the purge."""

import azure.functions as func

from shared_code.container import Container
from shared_code.storage import events

RECONCILED_FOR = 8 * 60.0
"""Seconds of a nightly run; ``functionTimeout`` is ten minutes. What is left the next run takes up."""


def register(app: func.FunctionApp, container: Container) -> None:
    @app.function_name("payments_statistics")
    @app.timer_trigger(arg_name="timer", schedule="30 */5 * * * *", run_on_startup=False, use_monitor=True)
    async def payments_statistics(timer: func.TimerRequest) -> None:
        """Every five minutes: everyone's payments added up."""
        await container.payments_statistics.roll_up()

    @app.function_name("payments_recount_statistics")
    @app.timer_trigger(arg_name="timer", schedule="0 10 3 * * *", run_on_startup=False, use_monitor=True)
    async def payments_recount_statistics(timer: func.TimerRequest) -> None:
        """Nightly: every customer counted anew, in case a change went unnoticed."""
        await container.payments_statistics.recount()

    @app.function_name("payments_purge")
    @app.timer_trigger(arg_name="timer", schedule="0 50 2 * * *", run_on_startup=False, use_monitor=True)
    async def payments_purge(timer: func.TimerRequest) -> None:
        """Nightly: Stripe's events that are older than it shows them itself."""
        await container.payments_inbox.drop_expired()

    @app.function_name("payments_retry_events")
    @app.timer_trigger(arg_name="timer", schedule="15 * * * * *", run_on_startup=False, use_monitor=True)
    async def payments_retry_events(timer: func.TimerRequest) -> None:
        """Every minute: events whose processing failed, or whose message was lost."""
        if container.settings.stripe_secret_key:
            await container.payments_processor.retry_due()

    @app.function_name("payments_reconcile_nightly")
    @app.timer_trigger(arg_name="timer", schedule="0 30 3 * * *", run_on_startup=False, use_monitor=True)
    async def payments_reconcile_nightly(timer: func.TimerRequest) -> None:
        """Nightly: the mirror compared with Stripe, and repaired."""
        if container.settings.stripe_secret_key:
            await container.payments_reconciliation.run(RECONCILED_FOR)

    if not container.settings.storage_configured:
        return  # memory knows no triggers: events are handled where they are sent

    @app.function_name("payments_events")
    @app.queue_trigger(arg_name="message", queue_name=events.queue_of("payments"), connection=container.settings.storage_connection_name)
    async def payments_events(message: func.QueueMessage) -> None:
        """What the webhook has stored, and what other parts ask of payments."""
        await container.payments_events.handle(events.parse(message.get_body().decode()))
