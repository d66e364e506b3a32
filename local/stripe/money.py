"""Currencies and amounts as Stripe takes them: https://docs.stripe.com/currencies."""

from .errors import invalid

ZERO_DECIMAL = frozenset(["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"])
THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
WHOLE_UNITS = frozenset({"isk", "ugx"})  # two decimals in the API, which must be 00

_TWO_DECIMAL_NAMES = (
    "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop crc cve czk "
    "dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr isk jmd kes kgs khr kyd kzt lak lbp lkr "
    "lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar "
    "sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah ugx uyu uzs wst xcd yer zar zmw "
)
_TWO_DECIMAL = frozenset(_TWO_DECIMAL_NAMES.split())
CURRENCIES = ZERO_DECIMAL | THREE_DECIMAL | _TWO_DECIMAL

# Minor units, by settlement currency. Ours is taken to settle in each currency it charges, so nothing is converted;
# a currency that is not in the table has no minimum of its own there.
MINIMUM = {
    "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50, "gbp": 30,
    "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50, "pln": 200, "ron": 200,
    "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip
_DIGITS = {"idr": 12}
_DEFAULT_DIGITS = 8


def check_currency(currency: str, param: str = "currency") -> str:
    """Stripe takes either case and answers in lower case."""
    lower = currency.lower()
    if lower not in CURRENCIES:
        raise invalid(f"Invalid currency: {lower}. Stripe currently supports these currencies: {', '.join(sorted(CURRENCIES))}", param)
    return lower


def exponent(currency: str) -> int:
    return 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2


def show(amount: int, currency: str) -> str:
    """`$9.99` for dollars, `9.99 eur` for others, as its messages do."""
    digits = exponent(currency)
    text = f"{amount / 10**digits:,.{digits}f}"
    return f"${text}" if currency == "usd" else f"{text} {currency}"


def check_unit(amount: int, currency: str, param: str = "amount") -> None:
    """The last digit of three-decimal amounts is 0, and the last two of ISK and UGX."""
    step = 10 if currency in THREE_DECIMAL else 100 if currency in WHOLE_UNITS else 1
    if amount % step:
        raise invalid(f"Invalid amount: {currency} amounts must be evenly divisible by {step}.", param, "parameter_invalid_integer")


def check_charge(amount: int, currency: str, param: str = "amount") -> None:
    """What a payment may come to."""
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", param, "parameter_invalid_integer")
    check_unit(amount, currency, param)
    least = MINIMUM.get(currency, 1)
    if amount < least:
        raise invalid(f"Amount must be at least {show(least, currency)}", param, "amount_too_small")
    most = 10 ** _DIGITS.get(currency, _DEFAULT_DIGITS) - 1
    if amount > most:
        raise invalid(f"Amount must be no more than {show(most, currency)}", param, "amount_too_large")
