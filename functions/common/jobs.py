"""Timers of every app."""

import azure.functions as func

from shared_code import rate_limit
from shared_code.container import Container
from shared_code.storage import notices
from shared_code.storage.daily import drop_expired
from shared_code.web.idempotency import TABLE


def register(app: func.FunctionApp, container: Container) -> None:
    @app.function_name("common_purge")
    @app.timer_trigger(arg_name="timer", schedule="0 10 2 * * *", run_on_startup=False, use_monitor=True)
    async def common_purge(timer: func.TimerRequest) -> None:
        """Nightly: idempotency keys older than 24 hours, a day's table at a time; limits that are over; notices that all have read."""
        await drop_expired(container.storage.tables, TABLE, container.clock.now(), keep_days=1)
        await rate_limit.purge(container.storage.tables, container.clock.now())
        await notices.purge(container.storage.tables, container.clock.now())

    @app.function_name("common_probe")
    @app.timer_trigger(arg_name="timer", schedule="0 * * * * *", run_on_startup=False, use_monitor=True)
    async def common_probe(timer: func.TimerRequest) -> None:
        """Every minute: this app's dependencies are probed; the app that runs monitoring then looks whether operators must know."""
        await container.prober.run()
        if "monitoring" in container.settings.services:
            await container.alerts.evaluate()
