"""Errors in Stripe's shape: https://docs.stripe.com/api/errors. Codes: https://docs.stripe.com/error-codes."""

from collections.abc import Mapping
from typing import Any


class StripeError(Exception):
    """Answers a request with `status` and an error object. What the request changed is undone, unless `keep`."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        keep: bool = False,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.keep = keep
        self.stored = True  # whether an idempotency key remembers it
        self.fields: dict[str, Any] = {"message": message, "type": type, **extra}
        if code is not None:
            self.fields |= {"code": code, "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"}
        if param is not None:
            self.fields["param"] = param

    def body(self, request_id: str) -> Mapping[str, Any]:
        url = f"https://dashboard.stripe.com/test/logs/{request_id}"
        return {"error": {**dict(sorted(self.fields.items())), "request_log_url": url}}


def invalid(message: str, param: str | None = None, code: str | None = None, **extra: Any) -> StripeError:
    return StripeError(400, message, code=code, param=param, **extra)


def missing(param: str) -> StripeError:
    return invalid(f"Missing required param: {param}.", param, "parameter_missing")


def unknown(param: str) -> StripeError:
    if param == "payment_method_types":  # https://docs.stripe.com/changelog/endive, 2026-09-30
        code = "payment_method_types_no_longer_supported"
        return invalid("The `payment_method_types` parameter is no longer supported in this API version.", param, code)
    return invalid(f"Received unknown parameter: {param}", param, "parameter_unknown")


def no_such(kind: str, id: str, param: str, status: int = 400) -> StripeError:
    """Stripe answers 404 when the URL names what is not there, 400 when a parameter does."""
    name = {"payment_method": "PaymentMethod", "checkout.session": "checkout.session"}.get(kind, kind)
    return StripeError(status, f"No such {name}: '{id}'", code="resource_missing", param=param)


def card_error(code: str, message: str, *, keep: bool = True, **extra: Any) -> StripeError:
    return StripeError(402, message, type="card_error", code=code, keep=keep, **extra)
