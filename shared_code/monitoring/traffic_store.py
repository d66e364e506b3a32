"""Traffic of all instances: minutes are added up to slots of five minutes, those to hours, and those to days.

Tables ``trafficYYYYMMDD`` (partitions ``minutes`` and ``slots``; dropped whole) and ``traffichistory`` (``hours``, ``days``,
``state``). Each sum is made anew of all its parts and takes the place of what it was unless that counted more, so that a run which
repeats, overlaps another or is cut off leaves what one whole run leaves.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

from shared_code.clock import Clock
from shared_code.errors import Busy
from shared_code.storage.daily import drop_expired, table_for
from shared_code.storage.ports import AlreadyExists, Delete, EtagMismatch, Insert, Missing, Replace, Row, Tables, Upsert

from .traffic import MINUTES, PREFIX
from .traffic_rows import Traffic, merge, pack, requests, unpack

HISTORY, SLOTS, HOURS, DAYS, STATE = "traffichistory", "slots", "hours", "days", "state"
SLOT = timedelta(minutes=5)
LATE = timedelta(minutes=25)
"""So long after its end a slot is made anew: an instance writes what is up to fifteen minutes old when storage answers again."""
CATCH_UP = timedelta(days=1)
"""How much is made up for when the timer was missed."""
MINUTES_KEPT, HOURS_KEPT, DAYS_KEPT = 2, timedelta(days=35), timedelta(days=400)
PAGE, TRIES = 200, 6


class TrafficStore:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock

    # --- reading

    async def minutes(self, since: datetime, until: datetime) -> Traffic:
        """What was counted in the minutes that began in [since, until). A storage call for 200 rows: an instance has one a minute."""
        found: list[Row] = []
        async for rows in self._pages(MINUTES, since, until):
            found += rows
        return await asyncio.to_thread(_sum, found)

    async def recent(self, minutes: int) -> Traffic:
        """The last ``minutes`` whole minutes; the youngest may lack instances, which write it seconds later."""
        end = _floor(self._clock.now(), timedelta(minutes=1))
        return await self.minutes(end - timedelta(minutes=minutes), end)

    async def since(self, start: datetime) -> Traffic:
        """From a moment (rounded down to a slot, at most a day ago) until now: slots that were added up, then minutes."""
        start = _floor(start, SLOT)
        rolled = min(max(await self._rolled_until(), start), self._clock.now())
        parts: list[Row] = []
        async for rows in self._pages(SLOTS, start, rolled):
            parts += rows
        return merge([await asyncio.to_thread(_sum, parts), await self.minutes(rolled, self._now_and_more())])

    async def today(self) -> Traffic:
        """What was counted of the day (UTC) so far: it only ever grows until midnight, so it serves as a counter."""
        now = self._clock.now()
        row = await self._tables.get(HISTORY, DAYS, f"{now:%Y%m%d}")
        start = now.replace(hour=0, minute=0, second=0, microsecond=0)
        rolled = max(start, _moment(row, start))
        return merge([await asyncio.to_thread(unpack, row), await self.minutes(rolled, self._now_and_more())])

    async def days(self, count: int) -> dict[str, Traffic]:
        """The last ``count`` days as ``YYYYMMDD``, oldest first, today's as of the last roll-up. One storage call."""
        first = self._clock.now() - timedelta(days=count - 1)
        rows = await self._tables.query(HISTORY, DAYS, after=f"{first - timedelta(days=1):%Y%m%d}", limit=1000)
        return {row.key: await asyncio.to_thread(unpack, row) for row in rows if row.key >= f"{first:%Y%m%d}"}

    def _now_and_more(self) -> datetime:
        return self._clock.now() + timedelta(minutes=1)

    async def _rolled_until(self) -> datetime:
        return _moment(await self._tables.get(HISTORY, STATE, "rolled"), datetime.min.replace(tzinfo=UTC))

    # --- adding up

    async def roll_up(self) -> int:
        """Add up what is over; return how many slots were made. Raises StorageUnavailable, or Busy when others are always faster."""
        now = self._clock.now()
        end, rolled = _floor(now, SLOT), await self._rolled_until()
        start = max(min(rolled, end - LATE), end - CATCH_UP)
        slots = [start + SLOT * index for index in range((end - start) // SLOT)]
        for slot in slots:
            rows: list[Row] = []
            async for page in self._pages(MINUTES, slot, slot + SLOT):
                rows += page
            if rows:
                await self._keep(table_for(PREFIX, slot), SLOTS, f"{slot:%H%M}", await asyncio.to_thread(_sum, rows), slot + SLOT)
        for hour in sorted({_floor(slot, timedelta(hours=1)) for slot in slots}):
            parts = await self._tables.query(table_for(PREFIX, hour), SLOTS, prefix=f"{hour:%H}", limit=100)
            if parts:
                until = min(end, hour + timedelta(hours=1))
                await self._keep(HISTORY, HOURS, f"{hour:%Y%m%d%H}", await asyncio.to_thread(_sum, parts), until)
        for day in sorted({slot.date() for slot in slots}):
            parts = await self._tables.query(HISTORY, HOURS, prefix=f"{day:%Y%m%d}", limit=100)
            if parts:
                until = min(end, datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1))
                await self._keep(HISTORY, DAYS, f"{day:%Y%m%d}", await asyncio.to_thread(_sum, parts), until)
        if end > rolled or rolled > now:  # or a run's clock was ahead
            await self._tables.apply(HISTORY, STATE, Upsert("rolled", {"v": 1, "until": end}))
        return len(slots)

    async def _keep(self, table: str, partition: str, key: str, traffic: Traffic, until: datetime) -> None:
        values = {**await asyncio.to_thread(pack, traffic), "until": until}
        count = requests(traffic)
        for _ in range(TRIES):
            row = await self._tables.get(table, partition, key)
            if row is not None:
                known = row.values["requests"]
                assert isinstance(known, int)
                if known > count or (known == count and _moment(row, until) >= until):
                    return  # another run saw more, or as much
            try:
                await self._tables.apply(table, partition, Insert(key, values) if row is None else Replace(key, values, row.etag))
            except (AlreadyExists, EtagMismatch, Missing):
                continue
            return
        raise Busy("Traffic is being added up by too many at once.")

    async def purge(self) -> None:
        """Forget minutes after two days, hours after 35 and days after 400."""
        now = self._clock.now()
        await drop_expired(self._tables, PREFIX, now, keep_days=MINUTES_KEPT)
        for partition, kept, form in ((HOURS, HOURS_KEPT, "%Y%m%d%H"), (DAYS, DAYS_KEPT, "%Y%m%d")):
            while rows := await self._tables.query(HISTORY, partition, before=(now - kept).strftime(form), limit=100):
                await self._tables.batch(HISTORY, partition, [Delete(row.key) for row in rows])

    async def _pages(self, partition: str, since: datetime, until: datetime) -> AsyncIterator[Sequence[Row]]:
        """Rows of a day's partition whose keys begin with the time of day, across midnights."""
        while since < until:
            midnight = since.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            table, last = table_for(PREFIX, since), min(until, midnight)
            # Keys are 'HHMM' or 'HHMM:…': what begins with the first minute sorts behind it, and nothing is at '2400'.
            before = "2400" if last == midnight else _key(last)
            after: str | None = None
            while True:
                rows = await self._tables.query(table, partition, after=after or _before(since), before=before, limit=PAGE)
                if rows:
                    yield rows
                if len(rows) < PAGE:
                    break
                after = rows[-1].key
            since = midnight


def _sum(rows: Sequence[Row]) -> Traffic:
    return merge(unpack(row) for row in rows)


def _floor(moment: datetime, step: timedelta) -> datetime:
    return datetime.fromtimestamp(moment.timestamp() // step.total_seconds() * step.total_seconds(), UTC)


def _key(end: datetime) -> str:
    """The first minute that begins at ``end`` or later."""
    up = end if end.second == 0 and end.microsecond == 0 else _floor(end, timedelta(minutes=1)) + timedelta(minutes=1)
    return "2400" if up.date() > end.date() else f"{up:%H%M}"


def _before(start: datetime) -> str | None:
    """A key behind everything of the minute before, and before everything of this one."""
    return f"{start - timedelta(minutes=1):%H%M}~" if start.hour or start.minute else None


def _moment(row: Row | None, otherwise: datetime) -> datetime:
    found = row.values.get("until") if row is not None else None
    return found if isinstance(found, datetime) else otherwise
