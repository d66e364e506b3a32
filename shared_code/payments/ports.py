"""What payments needs of others: Stripe behind a gateway, and who a user is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Kind = Literal[
    "payment_intent", "subscription", "invoice", "refund", "customer",
    "payment_method", "setup_intent", "price", "checkout_session", "portal_session", "event",
]  # fmt: skip
"""Stripe's names of its objects."""

Object = Mapping[str, Any]
"""An object of Stripe's API as plain data: https://docs.stripe.com/api."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Stripe answered to a change. ``replayed``: it did so before, to an earlier request with the same idempotency key,
    so that the object may have changed since."""

    object: Object
    replayed: bool = False


class Gateway(Protocol):
    """Stripe. ``key`` is an idempotency key: the same key and parameters are carried out once (for at least 24 hours).

    Every method raises PaymentDeclined; InvalidRequest, InvalidInput, NotFound or Conflict with Stripe's code; RateLimited;
    UpstreamFailed or UpstreamTimeout (both Unavailable), after which a change may have been made all the same.
    """

    async def create(self, kind: Kind, params: Object, *, key: str) -> Answer: ...

    async def update(self, kind: Kind, object_id: str, params: Object, *, key: str) -> Answer: ...

    async def act(self, kind: Kind, object_id: str, verb: str, params: Object, *, key: str) -> Answer:
        """An action of the object's own: ``confirm``, ``cancel``, ``detach``."""

    async def retrieve(self, kind: Kind, object_id: str) -> Object | None:
        """The object as it is now; None when Stripe has none of that id."""

    async def list_page(
        self, kind: Kind, *, starting_after: str | None, limit: int, params: Object | None = None
    ) -> tuple[Sequence[Object], bool]:
        """Up to ``limit`` (1–100) objects behind the id ``starting_after``, newest first, and whether there are more."""

    async def check(self) -> None:
        """Ask Stripe for next to nothing; raises what says why it does not answer."""


@dataclass(frozen=True, slots=True)
class Contact:
    email: str
    name: str | None


class People(Protocol):
    async def contact(self, user_id: str) -> Contact | None:
        """How to reach a user; None when there is no such account."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: a user acts on what is theirs, an administrator on everyone's."""

    user_id: str
    admin: bool = False
