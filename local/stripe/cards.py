"""Stripe's test cards: https://docs.stripe.com/testing. Each use of a token makes a payment method of its own."""

from dataclasses import dataclass
from typing import Any

from .errors import StripeError, card_error


@dataclass(frozen=True)
class Card:
    """How a test card behaves. `code` None: it can be charged."""

    label: str
    brand: str = "visa"
    last4: str = "4242"
    code: str | None = None
    decline: str | None = None
    attaches: bool = True  # cards that always decline can't be attached to a customer
    authenticate: str = "never"  # "always"; "setup": until it has been set up
    dispute: str | None = None
    refund: str = "succeeded"  # "pending": becomes succeeded later; "failed": succeeds and fails later


def _declines(label: str, last4: str, code: str, decline: str | None = None) -> Card:
    return Card(label, "visa", last4, code, decline, attaches=False)


CARDS: dict[str, Card] = {
    "pm_card_visa": Card("Visa, succeeds"),
    "pm_card_visa_debit": Card("Visa debit, succeeds", last4="5556"),
    "pm_card_mastercard": Card("Mastercard, succeeds", "mastercard", "4444"),
    "pm_card_amex": Card("American Express, succeeds", "amex", "8431"),
    "pm_card_visa_chargeDeclined": _declines("Declined", "0002", "card_declined", "generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": _declines(
        "Declined: insufficient funds", "9995", "card_declined", "insufficient_funds"
    ),
    "pm_card_visa_chargeDeclinedLostCard": _declines("Declined: lost card", "9987", "card_declined", "lost_card"),
    "pm_card_visa_chargeDeclinedStolenCard": _declines("Declined: stolen card", "9979", "card_declined", "stolen_card"),
    "pm_card_visa_chargeDeclinedFraudulent": _declines("Declined: fraudulent", "0019", "card_declined", "fraudulent"),
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": _declines("Declined: too often", "6975", "card_declined", "card_velocity_exceeded"),
    "pm_card_chargeDeclinedExpiredCard": _declines("Declined: expired", "0069", "expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": _declines("Declined: incorrect CVC", "0127", "incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": _declines("Declined: processing error", "0119", "processing_error"),
    "pm_card_radarBlock": _declines("Blocked as fraud", "0019", "card_declined", "fraudulent"),
    "pm_card_chargeCustomerFail": Card("Attaches, then declines", "visa", "0341", "card_declined", "generic_decline"),
    "pm_card_authenticationRequired": Card("Asks for authentication", "visa", "3184", authenticate="always"),
    "pm_card_authenticationRequiredOnSetup": Card("Asks for authentication until set up", "visa", "3155", authenticate="setup"),
    "pm_card_pendingRefund": Card("Succeeds; refunds are pending for a while", "visa", "7726", refund="pending"),
    "pm_card_refundFail": Card("Succeeds; refunds fail after a while", "visa", "5126", refund="failed"),
    "pm_card_createDispute": Card("Succeeds, then disputed as fraud", "visa", "0259", dispute="fraudulent"),
    "pm_card_createDisputeProductNotReceived": Card(
        "Succeeds, then disputed: not received", "visa", "2685", dispute="product_not_received"
    ),
}
# Older spellings that Stripe still takes.
CARDS |= {
    name.replace("_visa_", "_"): CARDS[name]
    for name in list(CARDS)
    if name.startswith("pm_card_visa_chargeDeclined")
}  # fmt: skip
CARDS |= {
    name.replace("pm_card_", "pm_card_visa_"): CARDS[name]
    for name in ("pm_card_chargeDeclinedExpiredCard", "pm_card_chargeDeclinedIncorrectCvc", "pm_card_chargeDeclinedProcessingError")
}

_MESSAGES = {
    "insufficient_funds": "Your card has insufficient funds.",
    "card_velocity_exceeded": (
        "Your card was declined for making repeated attempts too frequently or exceeding its amount limit."
    ),
    "authentication_required": "Your card was declined. This transaction requires authentication.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
}  # fmt: skip


def decline(code: str, decline_code: str | None, **extra: Any) -> StripeError:
    message = _MESSAGES.get(decline_code or code, "Your card was declined.")
    if decline_code is not None:
        extra["decline_code"] = decline_code
    return card_error(code, message, **extra)


def card_of(payment_method: dict[str, Any]) -> Card:
    return CARDS[payment_method["_token"]]
