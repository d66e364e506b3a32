"""Auth's timers."""

import azure.functions as func

from shared_code.container import Container
from shared_code.storage import events


def register(app: func.FunctionApp, container: Container) -> None:
    @app.function_name("auth_purge")
    @app.timer_trigger(arg_name="timer", schedule="0 40 2 * * *", run_on_startup=False, use_monitor=True)
    async def auth_purge(timer: func.TimerRequest) -> None:
        """Nightly: sessions, tokens and failed sign-ins that have expired, accounts whose registration was cut off."""
        await container.auth_purge.run()

    @app.function_name("auth_statistics")
    @app.timer_trigger(arg_name="timer", schedule="20 */5 * * * *", run_on_startup=False, use_monitor=True)
    async def auth_statistics(timer: func.TimerRequest) -> None:
        """Every five minutes: how many accounts there are."""
        await container.user_statistics.roll_up()

    @app.function_name("auth_recount_statistics")
    @app.timer_trigger(arg_name="timer", schedule="0 0 3 * * *", run_on_startup=False, use_monitor=True)
    async def auth_recount_statistics(timer: func.TimerRequest) -> None:
        """Nightly: every account counted anew, in case a change went unnoticed."""
        await container.user_statistics.recount()

    @app.function_name("auth_delete_accounts")
    @app.timer_trigger(arg_name="timer", schedule="15 */5 * * * *", run_on_startup=False, use_monitor=True)
    async def auth_delete_accounts(timer: func.TimerRequest) -> None:
        """Every five minutes: go on with accounts that are being deleted."""
        await container.deletion.run()

    @app.function_name("auth_seal_audit")
    @app.timer_trigger(arg_name="timer", schedule="30 * * * * *", run_on_startup=False, use_monitor=False)
    async def auth_seal_audit(timer: func.TimerRequest) -> None:
        """Every minute: new audit events become part of the day's chain."""
        await container.audit_sealer.run()

    @app.function_name("auth_audit_nightly")
    @app.timer_trigger(arg_name="timer", schedule="0 50 2 * * *", run_on_startup=False, use_monitor=True)
    async def auth_audit_nightly(timer: func.TimerRequest) -> None:
        """Nightly: audit events that came late are sealed, days out of retention go."""
        await container.audit_sealer.sweep()
        await container.audit_retention.purge()

    if not container.settings.storage_configured:
        return  # memory knows no triggers: events are handled where they are sent

    @app.function_name("auth_events")
    @app.queue_trigger(arg_name="message", queue_name=events.queue_of("auth"), connection=container.settings.storage_connection_name)
    async def auth_events(message: func.QueueMessage) -> None:
        """What other parts, and auth itself, ask of auth."""
        await container.auth_events.handle(events.parse(message.get_body().decode()))
