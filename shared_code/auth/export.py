"""Everything that is stored about a user, as an archive: auth's own part, and what the other services hand in."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any
from weakref import WeakValueDictionary

import structlog

from shared_code.archive import Entry, json_document, whole, zipped
from shared_code.audit.ports import Audit
from shared_code.clock import Clock, rfc3339
from shared_code.errors import Conflict
from shared_code.storage.ports import Tables

from .account_schemas import UserDetails
from .accounts import Accounts
from .api_keys import ApiKeys
from .identities import IDENTITY_KEY
from .key_schemas import key_fields
from .models import Client, User
from .ports import Exporter
from .recovery_schemas import SessionResponse
from .sessions import Sessions
from .tables import USERS

log = structlog.get_logger("lydian.auth")

PAGE = 100
README = """What Lydian stores about you, as of {at}.

account.json      your account
sessions.json     the devices that are signed in
keys.json         your API keys, without the keys themselves: only hashes of those are kept
audit.json        what has happened to your account, as far as it is kept
payments.json     what you have paid, your subscriptions, invoices and refunds, if there are any
files/files.json  a record of each file, those in the bin too; uploads that were not completed; links that you have shared
files/<id>/…      the files themselves, as you uploaded them. Smaller versions of images are made of these and left out
files/notes.txt   only there if files were deleted while this archive was made: which are missing, or incomplete

Passwords, tokens and secrets of the second factor are not here: they are kept only as hashes, or encrypted.
An archive that ends early does not open: ask for it again.
"""


class Running:
    """An archive under way; ``chunks`` are its bytes. It runs until it is closed, read to its end or not."""

    def __init__(self, chunks: AsyncGenerator[bytes, None]) -> None:
        self.chunks = chunks
        self.closed = False

    async def aclose(self) -> None:
        self.closed = True
        await self.chunks.aclose()


class Export:
    def __init__(
        self,
        *,
        tables: Tables,
        clock: Clock,
        accounts: Accounts,
        sessions: Sessions,
        api_keys: ApiKeys,
        audit: Audit,
        exporters: Sequence[Exporter],
    ) -> None:
        self._tables, self._clock, self._accounts, self._sessions = tables, clock, accounts, sessions
        self._api_keys, self._audit, self._exporters = api_keys, audit, exporters
        # Weak: one whose answer never began to be sent is over when nobody holds it any more.
        self._running: WeakValueDictionary[str, Running] = WeakValueDictionary()

    async def open(self, user_id: str, session_id: str | None, client: Client) -> Running:
        """An archive that is made as it is read. Raises Conflict ``export_in_progress``: one at a time for each user, as far as
        this process knows."""
        other = self._running.get(user_id)
        if other is not None and not other.closed:
            raise Conflict("An export of your data is running already.", code="export_in_progress")
        running = Running(self._logged(user_id, zipped(self._entries(user_id, session_id))))
        self._running[user_id] = running
        await self._accounts.profile(user_id)  # what cannot be read at all is an answer, not a broken archive
        await self._audit.record("data_exported", user_id=user_id, address=client.address)
        return running

    async def _logged(self, user_id: str, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk
        except Exception:
            log.exception("export_failed", user_id=user_id)
            raise

    async def _entries(self, user_id: str, session_id: str | None) -> AsyncGenerator[Entry, None]:
        now = self._clock.now()
        user = await self._accounts.profile(user_id)
        yield Entry("README.txt", whole(README.format(at=rfc3339(now)).encode()), now)
        yield Entry("account.json", json_document(**await self._account(user)), now)
        yield Entry("sessions.json", json_document(sessions=self._sessions_of(user_id, session_id)), now)
        yield Entry("keys.json", json_document(keys=self._keys_of(user_id)), now)
        for exporter in self._exporters:
            async with aclosing(exporter.entries(user_id)) as entries:
                async for entry in entries:
                    yield entry

    async def _account(self, user: User) -> dict[str, Any]:
        link = await self._tables.get(USERS, user.id, IDENTITY_KEY)
        details = UserDetails.of(user, self._accounts.role_of(user)).model_dump()
        return {**details, "identity": link.values["identity"] if link else None, "devices": list(user.devices)}

    async def _sessions_of(self, user_id: str, current: str | None) -> AsyncGenerator[dict[str, Any], None]:
        after = None
        while page := await self._sessions.page(user_id, after=after, limit=PAGE):
            after = page[-1].id
            for session in page:
                yield SessionResponse.of(session, current).model_dump()

    async def _keys_of(self, user_id: str) -> AsyncGenerator[dict[str, Any], None]:
        for key in await self._api_keys.page(user_id, after=None, limit=1000):
            yield dict(key_fields(key))
