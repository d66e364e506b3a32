"""Money of the gateway: integers of micro-dollars inside, decimal strings of US dollars outside, never a float."""

from decimal import Decimal

from shared_code.errors import InvalidInput

from .models import MILLION, Price, Usage

MICRO_DIGITS = 6
MOST_MICRO = 999_999_999 * MILLION
"""The largest budget: what AI_DEFAULT_BUDGET_USD takes, and far within 64 bits."""


def cost(price: Price, usage: Usage) -> int:
    """What ``usage`` costs, in micro-dollars, rounded up once for the whole request.

    Up, so that a request is never counted for less than it costs (by less than one micro-dollar too much); once, so that more
    tokens never cost less: what was held for the worst case covers every smaller one.
    """
    cached = min(usage.cached_tokens, usage.input_tokens)
    exact = (usage.input_tokens - cached) * price.input + cached * price.cached_input + usage.output_tokens * price.output
    return -(-exact // MILLION)


def worst_cost(price: Price, usage: Usage) -> int:
    """What ``usage`` costs however much of its input turns out to be cached."""
    return cost(Price(max(price.input, price.cached_input), 0, price.output), Usage(usage.input_tokens, 0, usage.output_tokens))


def usd(micro: int) -> str:
    """``12.34``, with as many of six decimals as it needs and no fewer than two."""
    sign, micro = ("-", -micro) if micro < 0 else ("", micro)
    decimals = f"{micro % MILLION:06}".rstrip("0").ljust(2, "0")
    return f"{sign}{micro // MILLION}.{decimals}"


def micro_of(dollars: Decimal | int) -> int:
    """Of a setting; what is less than a micro-dollar is dropped."""
    return min(int(Decimal(dollars).scaleb(MICRO_DIGITS)), MOST_MICRO)


def parse_usd(text: str, *, loc: tuple[str | int, ...]) -> int:
    """A budget as it was written (``20``, ``0.5``), in micro-dollars. Raises InvalidInput."""
    whole, dot, decimals = text.partition(".")
    digits = f"{whole}{decimals}"
    if not (digits.isascii() and digits.isdigit() and whole and bool(dot) == bool(decimals) and len(whole) <= 9):
        raise InvalidInput("US dollars are wanted, such as 20 or 0.5, at most 999999999.", loc=loc, code="invalid_amount")
    if len(decimals.rstrip("0")) > MICRO_DIGITS:
        raise InvalidInput("US dollars have at most six decimals here.", loc=loc, code="invalid_amount")
    return int(whole) * MILLION + int(decimals[:MICRO_DIGITS].ljust(MICRO_DIGITS, "0"))
