"""Monitoring's timer for statistics."""

import azure.functions as func

from shared_code.container import Container


def register(app: func.FunctionApp, container: Container) -> None:
    @app.function_name("monitoring_statistics")
    @app.timer_trigger(arg_name="timer", schedule="50 */5 * * * *", run_on_startup=False, use_monitor=True)
    async def monitoring_statistics(timer: func.TimerRequest) -> None:
        """Every five minutes, behind the services' own roll-ups: a point of the history."""
        await container.statistics.record()
