"""Monitoring's timer for traffic."""

import azure.functions as func

from shared_code.container import Container


def register(app: func.FunctionApp, container: Container) -> None:
    @app.function_name("monitoring_sum_traffic")
    @app.timer_trigger(arg_name="timer", schedule="20 */5 * * * *", run_on_startup=False, use_monitor=True)
    async def monitoring_sum_traffic(timer: func.TimerRequest) -> None:
        """Every five minutes, seconds behind the instances' own writing: traffic is added up, and what is old is forgotten."""
        await container.traffic_store.roll_up()
        await container.instances.register()  # on Flex Consumption a timer has instances of its own, which answer no requests
        await container.instances.purge()
        await container.traffic_store.purge()
