"""What becomes of a deleted user's usage: nobody's. Everybody's totals keep what was spent, and no row says by whom.

Counts are copied to partitions that begin with ``~`` before the user's rows go, and a copy always goes to the same place, so that a run
that died on the way is repeated and counts nothing twice. The account's row, which a request under way may change or make again, is
first set aside under a name of its own, in one batch.
"""

import hashlib
import secrets
from collections.abc import Sequence

from shared_code.storage.ports import AlreadyExists, Delete, EtagMismatch, Insert, Missing, Operation, Row, Tables, Upsert

from .ports import UsageNotes
from .spending import ACCOUNT_KEY, DAY_PREFIX, GONE, TABLE, Account, account_values, to_account

ASIDE = "gone:"
CHUNK = 99
"""Rows of one batch, which holds at most 100."""


class AiRemoval:
    def __init__(self, tables: Tables, changes: UsageNotes) -> None:
        self._tables, self._changes = tables, changes

    async def remove(self, user_id: str) -> None:
        """Safe to repeat, and to be cut off anywhere."""
        await self._set_aside(user_id)
        months = set[str]()
        while days := await self._tables.query(TABLE, user_id, prefix=DAY_PREFIX, limit=CHUNK):
            months |= {each.key.removeprefix(DAY_PREFIX)[:7] for each in days}
            # With an account that is empty, so that those who count accounts come by.
            await self._bequeath(_heir(user_id), Account(), days)
            await self._delete(user_id, days)
        if months:
            self._changes.note(_heir(user_id), months)
        for row in await self._tables.query(TABLE, user_id, prefix=ASIDE):
            account, heir = to_account(row), _heir(user_id, row.key)
            # Usage only: no budget, no month's spending, no lease.
            kept = Account(month=account.month, previous_month=account.previous_month, days=account.days, lifetime=account.lifetime)
            await self._bequeath(heir, kept, [])
            self._changes.note(heir, recent := {day[:7] for day in account.days})
            await self._delete(user_id, [row])
            months |= recent
        self._changes.note(user_id, months)

    async def _set_aside(self, user_id: str) -> None:
        while (row := await self._tables.get(TABLE, user_id, ACCOUNT_KEY)) is not None:
            try:
                aside = Insert(ASIDE + secrets.token_hex(8), row.values)
                await self._tables.batch(TABLE, user_id, [aside, Delete(ACCOUNT_KEY, row.etag)])
            except (AlreadyExists, EtagMismatch, Missing):
                continue  # a request has ended meanwhile, or another run is at it

    async def _bequeath(self, heir: str, account: Account, days: Sequence[Row]) -> None:
        await self._tables.batch(
            TABLE, heir, [Upsert(ACCOUNT_KEY, account_values(account)), *(Upsert(each.key, each.values) for each in days)]
        )

    async def _delete(self, user_id: str, rows: Sequence[Row]) -> None:
        operations: list[Operation] = [Delete(row.key) for row in rows]
        try:
            await self._tables.batch(TABLE, user_id, operations)
        except Missing:
            pass  # another run was faster


def _heir(*of: str) -> str:
    return GONE + hashlib.sha256("\0".join(of).encode()).hexdigest()[:24]
