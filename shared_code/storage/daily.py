"""Tables that expire whole: one a day, dropped when its last row is out of date (Table storage has no time to live)."""

from datetime import datetime, timedelta

from .ports import Tables


def table_for(prefix: str, moment: datetime) -> str:
    """The day's table, e.g. ``idempotency20260131`` (UTC)."""
    return f"{prefix}{moment:%Y%m%d}"


async def drop_expired(tables: Tables, prefix: str, now: datetime, *, keep_days: int) -> int:
    """Drop the prefix's tables of days more than ``keep_days`` before today; return how many."""
    first_kept = table_for(prefix, now - timedelta(days=keep_days))
    dropped = 0
    for name in await tables.list_tables(prefix):
        if len(name) == len(first_kept) and name[len(prefix) :].isdigit() and name < first_kept:
            await tables.drop(name)
            dropped += 1
    return dropped
