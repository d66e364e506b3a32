"""Exact money: from what a caller writes to the integer that Stripe takes, and back. No binary float ever holds an amount.

Currencies and their special cases: https://docs.stripe.com/currencies.
"""

import re
from dataclasses import dataclass

from shared_code.errors import InvalidInput

ZERO_DECIMAL = frozenset({"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"})
THREE_DECIMAL = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
"""Their last digit must be 0, since the card networks know two decimals."""
WHOLE_UNITS = frozenset({"isk", "ugx"})
"""Two decimals in Stripe's API, which must be 00."""
_TWO_DECIMAL = (
    "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop crc cve czk "
    "dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr isk jmd kes kgs khr kyd kzt lak lbp lkr "
    "lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar "
    "sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah ugx uyu uzs wst xcd xcg yer zar zmw"
)
TWO_DECIMAL = frozenset(_TWO_DECIMAL.split())
CURRENCIES = ZERO_DECIMAL | THREE_DECIMAL | TWO_DECIMAL

MAX_DIGITS = 12
"""Of an amount in minor units (SPEC §8)."""

_AMOUNT = re.compile(r"([0-9]+)(?:\.([0-9]+))?", re.ASCII)
_LONGEST = 64  # characters that are looked at, leading zeros included


@dataclass(frozen=True, slots=True)
class Money:
    """``minor`` counts the currency's smallest unit in Stripe's API; ``currency`` is a lower-case ISO 4217 code."""

    minor: int
    currency: str

    def __str__(self) -> str:
        return show(self.minor, self.currency)


def checked_currency(text: str) -> str:
    """The code in lower case; raises InvalidInput ``unknown_currency``."""
    currency = text.lower()
    if currency not in CURRENCIES:
        raise InvalidInput("Stripe charges in no such currency.", loc=("body", "currency"), code="unknown_currency")
    return currency


def exponent(currency: str) -> int:
    """Decimals of the currency in Stripe's API: 0, 2 or 3. Two for one that is not known, as nearly all have."""
    return 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2


def step(currency: str) -> int:
    """What a charged amount in minor units must be divisible by."""
    return 10 if currency in THREE_DECIMAL else 100 if currency in WHOLE_UNITS else 1


def parse(text: str, currency: str) -> Money:
    """``49.99`` of ``usd`` is 4999: ASCII digits with an optional fraction, in major units.

    Raises InvalidInput ``unknown_currency``; ``invalid_amount`` for anything else, for zero, for more decimals than the
    currency has, for a part that cannot be charged, and for more than 12 digits of minor units.
    """
    currency = checked_currency(currency)
    match = _AMOUNT.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise _invalid("An amount is a decimal number in major units, such as 49.99: digits, and at most one point.")
    decimals, fraction = exponent(currency), match[2] or ""
    if len(fraction) > decimals:
        raise _invalid(f"{currency.upper()} has {decimals or 'no'} decimals.")
    minor = int(match[1] + fraction.ljust(decimals, "0"))
    if minor == 0:
        raise _invalid("An amount is more than zero.")
    if minor >= 10**MAX_DIGITS:
        raise _invalid(f"An amount has at most {MAX_DIGITS} digits of minor units.")
    if minor % step(currency):
        rule = "whole units only" if currency in WHOLE_UNITS else "a last digit of 0"
        raise _invalid(f"Amounts in {currency.upper()} have {rule}.")
    return Money(minor, currency)


def show(minor: int, currency: str) -> str:
    """Major units as a decimal string with all of the currency's decimals: ``49.99``, ``500`` of JPY, ``1.230`` of BHD."""
    decimals, sign = exponent(currency), "-" if minor < 0 else ""
    digits = str(abs(minor)).rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}" if decimals else sign + digits


def _invalid(message: str) -> InvalidInput:
    return InvalidInput(message, loc=("body", "amount"), code="invalid_amount")
