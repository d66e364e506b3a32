"""US dollars in requests and answers: written as a JSON number or a decimal string, kept and counted as integers of micro-dollars,
answered as JSON numbers, as other gateways do. Nothing is ever reckoned with a float: it is how an integer is shown, and shows it
exactly, for a double holds every whole number of micro-dollars up to ``MOST`` to all its six decimals."""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

MICRO = 1_000_000
"""Micro-dollars of a dollar."""
MOST = 999_999_999 * MICRO

# As AI_DEFAULT_BUDGET_USD takes them (setting_types.dollars).
_WRITTEN = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,6}))?", re.ASCII)


def written(value: Any) -> str:
    """A JSON number or a string as it was written: a double would be another number. ``ValueError`` for anything else."""
    text = getattr(value, "text", None) if isinstance(value, float) else value
    if isinstance(text, bool) or not isinstance(text, str | int):
        raise ValueError("a JSON number or a decimal string is wanted")
    return str(text)


def micro(value: Any) -> int:
    """Micro-dollars of what was written. ``ValueError``."""
    text = written(value)
    if isinstance(value, float) and len(text) <= 24:  # 0.000005 may also be written 5e-06, and by Python is
        text = f"{Decimal(text):f}"
    match = _WRITTEN.fullmatch(text)
    if match is None:
        raise ValueError("must be US dollars such as 20 or 0.5: up to 999999999, with at most six decimals")
    return int(match[1]) * MICRO + int((match[2] or "").ljust(6, "0"))


def usd(amount: int) -> float:
    """Micro-dollars as the JSON number of an answer."""
    return amount / MICRO


def usd_text(amount: int) -> str:
    """Micro-dollars for a sentence, ``12.34``, with as many of six decimals as it needs and no fewer than two."""
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    decimals = f"{amount % MICRO:06}".rstrip("0").ljust(2, "0")
    return f"{sign}{amount // MICRO}.{decimals}"


MicroDollars = Annotated[
    int,
    BeforeValidator(micro),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{1,6})?$"},
                {"type": "number", "minimum": 0, "maximum": MOST // MICRO},
            ],
            "description": 'US dollars, exactly as written: `20`, `"0.5"`',
            "examples": ["20.00"],
        }
    ),
]
"""A field of a request, whose value is micro-dollars."""

Usd = Annotated[float, WithJsonSchema({"type": "number", "description": "US dollars, to six decimals", "examples": [12.34]})]
"""A field of an answer."""
