"""Chat's triggers."""

import azure.functions as func

from shared_code.container import Container


def register(app: func.FunctionApp, container: Container) -> None:
    """None yet."""
