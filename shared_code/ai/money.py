"""What tokens cost, in integers of micro-dollars."""

from decimal import Decimal

from shared_code.dollars import MICRO, MOST

from .models import MILLION, Price, Usage


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


def micro_of(dollars: Decimal | int) -> int:
    """Of a setting; what is less than a micro-dollar is dropped."""
    return min(int(Decimal(dollars) * MICRO), MOST)
