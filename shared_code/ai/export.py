"""What the gateway holds of a user, for the archive that they may ask for: usage and spending. It keeps no prompt and no answer."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from shared_code.archive import Entry, json_document
from shared_code.clock import Clock
from shared_code.dollars import usd
from shared_code.storage.ports import Tables

from .spending import ACCOUNT_KEY, DAY_PREFIX, TABLE, USER, ByModel, to_account, to_day

PAGE = 500


class AiExport:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock

    async def entries(self, user_id: str) -> AsyncGenerator[Entry, None]:
        """``ai_usage.json``; nothing for who has never asked a model."""
        row = await self._tables.get(TABLE, user_id, ACCOUNT_KEY)
        if row is None:
            return
        account = to_account(row)
        spent = {account.month: account.spent, account.previous_month: account.previous_spent}
        document = json_document(
            budget=None if account.budget is None else usd(account.budget),
            spent=[
                {"month": month, "api_key": purse if purse != USER else None, "usd": usd(micro)}
                for month, purses in spent.items()
                for purse, micro in purses.items()
            ],
            usage=self._usage(user_id, account.days),
        )
        yield Entry("ai_usage.json", document, self._clock.now())

    async def _usage(self, user_id: str, recent: Mapping[str, ByModel]) -> AsyncGenerator[dict[str, Any], None]:
        after = None
        while rows := await self._tables.query(TABLE, user_id, prefix=DAY_PREFIX, after=after, limit=PAGE):
            after = rows[-1].key
            for row in rows:
                day = row.key.removeprefix(DAY_PREFIX)
                if day not in recent:
                    for line in _lines(day, to_day(row)):
                        yield line
        for day in sorted(recent):
            for line in _lines(day, recent[day]):
                yield line


def _lines(day: str, models: ByModel) -> list[dict[str, Any]]:
    return [
        {
            "day": day,
            "model": model,
            "requests": counts.requests,
            "input_tokens": counts.input_tokens,
            "cached_tokens": counts.cached_tokens,
            "output_tokens": counts.output_tokens,
            "usd": usd(counts.micro),
        }
        for model, counts in sorted(models.items())
    ]
