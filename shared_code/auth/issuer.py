"""The pair of tokens that a signed-in device holds."""

from collections.abc import Awaitable, Callable, Sequence

from shared_code.clock import Clock

from . import tokens
from .keys import SigningKey
from .models import Role, Session, Tokens, User

KeyProvider = Callable[[], Awaitable[Sequence[SigningKey]]]


class Issuer:
    def __init__(self, signing_keys: KeyProvider, role_of: Callable[[User], Role], *, issuer: str, audience: str, clock: Clock) -> None:
        self._signing_keys, self._role_of, self._issuer, self._audience, self._clock = signing_keys, role_of, issuer, audience, clock

    async def tokens(self, user: User, session: Session, refresh_token: str) -> Tokens:
        """A fresh access token of the session beside its refresh token."""
        role = self._role_of(user)
        access_token = tokens.sign(
            (await self._signing_keys())[0],
            issuer=self._issuer,
            audience=self._audience,
            user_id=user.id,
            session_id=session.id,
            role=role,
            now=self._clock.now(),
        )
        return Tokens(user, role, access_token, refresh_token, int(tokens.LIFETIME.total_seconds()))
