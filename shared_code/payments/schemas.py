"""Payments' requests, as OpenAPI shows them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, WithJsonSchema, model_validator

from shared_code.dollars import written

from .objects import OURS

MAX_METADATA, MAX_NAME, MAX_VALUE = 50, 40, 500
"""https://docs.stripe.com/api/metadata, less one entry or two that are ours."""
_OURS = 2


def _metadata(value: dict[str, str]) -> dict[str, str]:
    if len(value) > MAX_METADATA - _OURS:
        raise ValueError(f"at most {MAX_METADATA - _OURS} entries")
    for name, text in value.items():
        if not 1 <= len(name) <= MAX_NAME or "[" in name or "]" in name or name.startswith(OURS):
            raise ValueError(f"names have 1 to {MAX_NAME} characters, no brackets, and do not begin with {OURS}")
        if len(text) > MAX_VALUE:
            raise ValueError(f"values have at most {MAX_VALUE} characters")
    return value


Amount = Annotated[
    str,
    BeforeValidator(written),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}, {"type": "number", "exclusiveMinimum": 0}],
            "description": "major units, exactly as written: `49.99`",
            "examples": ["49.99"],
        }
    ),
]
Currency = Annotated[str, Field(min_length=3, max_length=3, description="ISO 4217, e.g. `eur`")]
Metadata = Annotated[dict[str, str], AfterValidator(_metadata)]
Email = Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s.]+$")]
Name = Annotated[str, Field(min_length=1, max_length=256)]
Url = Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\s]+$")]
Id = Annotated[str, Field(min_length=1, max_length=64)]
Method = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,100}$")]
Quantity = Annotated[int, Field(ge=1, le=1_000_000)]
CustomerId = Annotated[str | None, Field(max_length=64, description="yours when left out; another's needs an administrator")]


class PaymentRequest(BaseModel):
    amount: Amount
    currency: Currency | None = None
    customer_id: CustomerId = None
    description: str | None = Field(None, max_length=1000)
    receipt_email: Email | None = None
    metadata: Metadata = {}


class ConfirmRequest(BaseModel):
    payment_intent_id: Id
    payment_method: Method | None = Field(None, description="left out: the one that the payment has")
    return_url: Url | None = Field(None, description="where the payer's bank sends them back to; default: this app")


class CustomerRequest(BaseModel):
    email: Email
    name: Name | None = None
    metadata: Metadata = {}


class CustomerChange(BaseModel):
    email: Email | None = None
    name: Name | None = None
    metadata: Metadata | None = Field(None, description="merged with what is there; an empty value removes its name")


class SubscriptionRequest(BaseModel):
    customer_id: CustomerId = None
    price_id: Id
    quantity: Quantity = 1
    trial_period_days: int | None = Field(None, ge=1, le=730)
    metadata: Metadata = {}


class SubscriptionChange(BaseModel):
    price_id: Id | None = None
    quantity: Quantity | None = None
    metadata: Metadata | None = None
    proration_behavior: Literal["create_prorations", "always_invoice", "none"] | None = None


class CancelRequest(BaseModel):
    at_period_end: bool = Field(True, description="false: at once")


class RefundRequest(BaseModel):
    payment_intent_id: Id
    amount: Amount | None = Field(None, description="left out: all that is left")
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None


class CustomerOnly(BaseModel):
    customer_id: CustomerId = None


class PortalRequest(CustomerOnly):
    return_url: Url | None = None


class CheckoutRequest(CustomerOnly):
    price_id: Id | None = Field(None, description="a price of `/api/payments/config`; one that recurs starts a subscription")
    amount: Amount | None = Field(None, description="in the place of a price")
    currency: Currency | None = None
    description: str = Field("Payment", min_length=1, max_length=250, description="what the amount is for")
    quantity: Quantity = 1
    success_url: Url | None = None
    cancel_url: Url | None = None
    metadata: Metadata = {}

    @model_validator(mode="after")
    def _one_of_two(self) -> "CheckoutRequest":
        if (self.price_id is None) == (self.amount is None):
            raise ValueError("give either price_id or amount")
        return self
