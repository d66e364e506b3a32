"""What the owner is told when the second factor of an account comes or goes: it takes an access token only, which may be stolen."""

from datetime import datetime

from shared_code.mail.ports import Mail

from . import devices
from .models import Client, User


def switched(user: User, *, on: bool, now: datetime, client: Client | None) -> Mail:
    """``client``: where it was asked for; None for an administrator, whose address is nobody else's affair."""
    if client is None:
        who, advice = "an administrator", "If you did not ask for that, tell them."
    else:
        who = f"{devices.name_of(client.user_agent)} at {client.address}"
        advice = "If it was not you, reset your password at once, which signs every device out, and "
        advice += "have an administrator remove the second step." if on else "switch it on again."
    values = {
        "title": f"Two-step sign-in was switched {'on' if on else 'off'}",
        "detail": f"It was done on {now:%Y-%m-%d} at {now:%H:%M} UTC by {who}. {advice}",
    }
    return Mail(user.email, "alert", values, name=user.greeting)
