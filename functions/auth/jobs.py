"""Auth's timers."""

import azure.functions as func

from shared_code.container import Container


def register(app: func.FunctionApp, container: Container) -> None:
    @app.function_name("auth_purge")
    @app.timer_trigger(arg_name="timer", schedule="0 40 2 * * *", run_on_startup=False, use_monitor=True)
    async def auth_purge(timer: func.TimerRequest) -> None:
        """Nightly: sessions that have expired, accounts whose registration was cut off."""
        await container.auth_purge.run()
