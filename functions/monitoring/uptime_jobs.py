"""Monitoring's timer for what the probes have left. Every app probes by itself: ``functions/common/jobs.py``."""

import azure.functions as func

from shared_code.container import Container


def register(app: func.FunctionApp, container: Container) -> None:
    @app.function_name("monitoring_purge")
    @app.timer_trigger(arg_name="timer", schedule="0 20 2 * * *", run_on_startup=False, use_monitor=True)
    async def monitoring_purge(timer: func.TimerRequest) -> None:
        """Nightly: incidents and checks older than 90 days, alerts that are over for 30; incidents of what is probed no more are ended."""
        await container.probe_board.purge()
        await container.alerts.purge()
