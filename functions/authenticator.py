"""From what a bearer presents to a Caller: an API key, or an access token of ours whose session still lives, or of Supabase."""

from shared_code.container import Container
from shared_code.errors import Unauthenticated
from shared_code.web.callers import Caller

API_KEY = "lyd_"


class TokenAuthenticator:
    def __init__(self, container: Container) -> None:
        self._container = container

    async def authenticate(self, credentials: str) -> Caller:
        """The caller; with a warm session or key no storage is asked. Raises Unauthenticated; RateLimited for a key; Unavailable
        for a Supabase token that only Supabase, which is down, could tell right from wrong. Ours never depend on it."""
        if credentials.startswith(API_KEY):
            holder = await self._container.api_keys.authenticate(credentials)
            return Caller(holder.user_id, holder.role, key_id=holder.key_id, scopes=holder.scopes, ai=holder.ai)
        supabase = self._container.supabase
        if supabase is not None and supabase.claims_issuer(credentials):
            user_id, role = await supabase.authenticate(credentials)
            return Caller(user_id, role)
        claims = await self._container.verifier.verify(credentials)
        if not await self._container.sessions.is_live(claims.user_id, claims.session_id):
            raise Unauthenticated("This session has ended.", code="session_ended")
        return Caller(claims.user_id, claims.role, session_id=claims.session_id)
