"""When a local run brings its own Stripe."""

import json
from pathlib import Path

import pytest

from local.stripe_child import wants_stripe

EXAMPLE = json.loads((Path(__file__).parents[3] / "local.settings.example.json").read_text())["Values"]


def test_a_fresh_clone_has_one() -> None:
    """The example settings, which the first `make start` copies, name no Stripe."""
    assert wants_stripe(dict(EXAMPLE))


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, True),
        ({"SERVICES": "payments"}, True),
        ({"SERVICES": "auth, Payments"}, True),
        ({"SERVICES": "auth,files"}, False),
        ({"STRIPE_SECRET_KEY": "sk_" + "test_x"}, False),
        ({"STRIPE_API_BASE": "http://127.0.0.1:12111"}, False),
        ({"ENVIRONMENT": "production"}, False),
    ],
)
def test_what_names_another(settings: dict[str, str], wanted: bool) -> None:
    assert wants_stripe(settings) is wanted
