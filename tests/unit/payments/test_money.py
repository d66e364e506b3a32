"""Money is exact: what is written is what is charged, and what Stripe holds is what is shown."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_code.errors import InvalidInput
from shared_code.payments import money
from shared_code.payments.money import CURRENCIES, Money, exponent, parse, show, step

currencies = st.sampled_from(sorted(CURRENCIES))


@given(currencies, st.integers(1, 10**money.MAX_DIGITS - 1))
def test_from_minor_to_text_and_back(currency: str, minor: int) -> None:
    minor -= minor % step(currency)
    if minor:
        assert parse(show(minor, currency), currency) == Money(minor, currency)


@given(currencies, st.integers(0, 10**14), st.integers(0, 5))
def test_what_is_taken_is_worth_what_was_written(currency: str, digits: int, decimals: int) -> None:
    """Against the decimal module, which is not what the code uses."""
    text = f"{Decimal(digits).scaleb(-decimals):f}"
    scaled = Decimal(text).scaleb(exponent(currency))
    fits = decimals <= exponent(currency) and 0 < scaled < 10**12 and scaled % step(currency) == 0
    if not fits:
        with pytest.raises(InvalidInput):
            parse(text, currency)
        return
    taken = parse(text, currency)
    assert taken.minor == scaled
    assert Decimal(show(taken.minor, currency)) == Decimal(text)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("49.99", "usd", 4999), ("0.01", "usd", 1), ("0.29", "EUR", 29), ("1.1", "usd", 110), ("500", "jpy", 500), ("5", "isk", 500),
        ("5.00", "ugx", 500), ("1.23", "bhd", 1230), ("1.230", "kwd", 1230), ("007", "usd", 700), ("9999999999.99", "usd", 999999999999),
    ],
)  # fmt: skip
def test_amounts(text: str, currency: str, minor: int) -> None:
    assert parse(text, currency) == Money(minor, currency.lower())


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("1e3", "usd"), ("NaN", "usd"), ("Infinity", "usd"), ("-0", "usd"), ("-1", "usd"), ("+1", "usd"), ("1.005", "usd"), ("٣", "usd"),
        ("٣.00", "usd"), ("1" + "0" * 30, "usd"), ("9" * 100_000, "usd"), ("0", "usd"), ("0.00", "usd"), ("", "usd"), (" 1", "usd"),
        ("1\n", "usd"), (".5", "usd"), ("5.", "usd"), ("1,50", "usd"), ("1_000", "usd"), ("1.5", "jpy"), ("5.0", "jpy"), ("5.50", "isk"),
        ("1.005", "ugx"), ("1.234", "bhd"), ("0.001", "tnd"), ("10000000000.00", "usd"), ("1000000000000", "jpy"), ("0x10", "usd"),
        ("½", "usd"), ("²", "usd"),
    ],
)  # fmt: skip
def test_no_amounts(text: str, currency: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text, currency)
    assert caught.value.code == "invalid_amount"


@pytest.mark.parametrize("currency", ["xyz", "", "us", "usdd", "$", "ＵＳＤ", "btc"])
def test_no_currencies(currency: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse("1", currency)
    assert caught.value.code == "unknown_currency"


def test_shown() -> None:
    assert [show(0, "usd"), show(5, "usd"), show(-150, "usd"), show(500, "jpy"), show(5, "bhd")] == [
        "0.00",
        "0.05",
        "-1.50",
        "500",
        "0.005",
    ]
    assert str(Money(4999, "usd")) == "49.99"


def test_the_special_cases_are_those_of_the_specification() -> None:
    exponents = {currency: exponent(currency) for currency in CURRENCIES}
    zero = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
    assert " ".join(sorted(c for c, e in exponents.items() if e == 0)) == zero
    assert sorted(c for c, e in exponents.items() if e == 3) == ["bhd", "jod", "kwd", "omr", "tnd"]
    assert {c: step(c) for c in CURRENCIES if step(c) > 1} == {
        "isk": 100,
        "ugx": 100,
        "bhd": 10,
        "jod": 10,
        "kwd": 10,
        "omr": 10,
        "tnd": 10,
    }
