"""Accounts: the rows of users, and what every part of auth asks of them."""

import unicodedata
from dataclasses import replace

from shared_code.clock import Clock
from shared_code.emails import is_address, literal, normalise
from shared_code.errors import InvalidInput, Unauthenticated
from shared_code.storage.ports import Merge, Missing, Tables

from .models import Role, User
from .tables import EMAIL_KEY, EMAILS, USER_KEY, USERS, to_user

MAX_NAME = 200


class Accounts:
    def __init__(self, tables: Tables, clock: Clock, *, admin_emails: frozenset[str], trust_admin_emails: bool) -> None:
        """``admin_emails`` are ``emails.literal``; ``trust_admin_emails`` (local runs) makes an unverified address on it count."""
        self._tables, self._clock = tables, clock
        self._admin_emails, self._trust_admin_emails = admin_emails, trust_admin_emails

    async def get(self, user_id: str) -> User | None:
        """None also for one that is being deleted."""
        row = await self._tables.get(USERS, user_id, USER_KEY)
        user = to_user(row) if row else None
        return None if user is None or user.deleting else user

    async def find(self, email: str) -> User | None:
        """Whose address it is: two reads, also when it is nobody's or no address at all."""
        address = normalise(email) if is_address(email) else "-"
        found = await self._tables.get(EMAILS, address, EMAIL_KEY)
        return await self.get(str(found.values["user_id"]) if found else "nobody")

    async def profile(self, user_id: str) -> User:
        """The caller's own account; raises Unauthenticated when it is gone."""
        user = await self.get(user_id)
        if user is None:
            raise no_account()
        return user

    async def rename(self, user_id: str, name: str | None) -> User:
        user = replace(await self.profile(user_id), name=checked_name(name))
        # An empty text, since a merge leaves out what is None.
        try:
            await self._tables.apply(USERS, user_id, Merge(USER_KEY, {"name": user.name or ""}))
        except Missing:
            raise no_account() from None
        return user

    def role_of(self, user: User) -> Role:
        """``admin`` by its own row, or by a verified address on ADMIN_EMAILS."""
        return "admin" if user.role == "admin" or (self._is_listed(user) and self.counts_as_verified(user)) else "user"

    def counts_as_verified(self, user: User) -> bool:
        return user.email_verified or (self._trust_admin_emails and not user.provider and self._is_listed(user))

    def _is_listed(self, user: User) -> bool:
        return literal(user.email) in self._admin_emails


def checked_name(name: str | None) -> str | None:
    """The name, trimmed; None for an empty one. Raises InvalidInput."""
    name = (name or "").strip()
    if len(name) > MAX_NAME or any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        raise InvalidInput(
            f"A name has at most {MAX_NAME} characters and no control characters.", loc=("body", "name"), code="invalid_name"
        )
    return name or None


def no_account() -> Unauthenticated:
    return Unauthenticated("This account does not exist any more.", code="invalid_token")
