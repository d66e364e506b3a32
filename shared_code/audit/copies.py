"""Users' own lists compared with the log."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from shared_code.storage.ports import Row, Tables

from . import tables as rows

AT_ONCE = 16
PAGE = 1000


async def compare(tables: Tables, day: str, page: Sequence[Row], behind: str | None, last: str | None) -> list[str]:
    """What is wrong with the copies of a page of a day's log: behind one key, None: from the day's end, to another, None: to its beginning.

    Looks at users who have an event on the page. One who has no copies at all was forgotten, which is no finding.
    """
    start = rows.moment_of(day)
    begin = behind.removeprefix(rows.EVENT) if behind else rows.position(start + timedelta(days=1))
    end = last.removeprefix(rows.EVENT) if last else rows.position(start)
    of_user: dict[str, dict[str, Row]] = {}
    for row in page:
        user_id = row.values.get("user_id")
        if isinstance(user_id, str):
            of_user.setdefault(user_id, {})[row.key.removeprefix(rows.EVENT)] = row
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(user_id: str, logged: dict[str, Row]) -> list[str]:
        async with limit:
            copies = await _between(tables, user_id, begin, end)
            missing = [key for key, row in logged.items() if key not in copies and row.values.get("sealed") is True]
            if missing and not copies and not await tables.query(rows.COPIES, user_id, limit=1):
                missing = []
            wrong = []
            for key, copy in copies.items():
                # What was recorded after the page was read may have a copy by now.
                row = logged.get(key) or await tables.get(rows.table_of(day), rows.LOG, rows.EVENT + key)
                if row is None or rows.content(row) != rows.content(copy):
                    wrong.append(key)
        return [f"the event with key {key} is not in its user's own list as in the log" for key in [*wrong, *missing]]

    return [what for found in await asyncio.gather(*(one(*each) for each in of_user.items())) for what in found]


async def _between(tables: Tables, user_id: str, begin: str, end: str) -> dict[str, Row]:
    """A user's copies behind one key and up to another."""
    found: dict[str, Row] = {}
    after = begin
    while True:
        page = await tables.query(rows.COPIES, user_id, after=after, before=end + "0", limit=PAGE)
        found |= {row.key: row for row in page}
        if len(page) < PAGE:
            return found
        after = page[-1].key
