"""Alerts: what the rules find is told once, again after a while, and once more when it is over. Table ``alerts``, a row for each.

Who tells something writes first that they are about to, and afterwards that they have: of several instances one does it, and one that dies
in between leaves it to the next run, at most TRIES times in all. So a notice comes at least once, and mails, which have a key, not twice.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import structlog

from shared_code.clock import Clock, rfc3339
from shared_code.errors import LydianError, Unavailable
from shared_code.storage.ports import AlreadyExists, Delete, EtagMismatch, Insert, Missing, Replace, Row, Tables, Value

from .alert_rules import Finding, Rule
from .ports import Notice, Notices
from .records import moment, optional_moment

log = structlog.get_logger("lydian.monitoring")

TABLE, PARTITION = "alerts", "all"
TRIES = 3
REPEATED_AFTER = timedelta(hours=4)
"""What goes on is told again."""
TOLD_WITHIN = timedelta(seconds=50)
"""Who has not noted by then that it has told something has died, or failed: the next run tries again."""
KEPT = timedelta(days=30)
RULE_TIME = 15.0
"""Seconds that one rule may take."""
SILENT_FOR = timedelta(minutes=3)
"""After so long without storage, in which alerts are kept, that itself is told."""

State = Literal["firing", "resolved"]


@dataclass(frozen=True, slots=True)
class Alert:
    """``told``: what operators know of it. ``tries`` of telling them the state as it is; ``notices`` counts those of this firing."""

    key: str
    rule: str
    title: str
    detail: str
    state: State
    since: datetime
    clear_since: datetime | None = None
    resolved_at: datetime | None = None
    told: State = "resolved"
    told_at: datetime | None = None
    tries: int = 0
    tried_at: datetime | None = None
    notices: int = 0

    def found(self, finding: Finding, now: datetime) -> "Alert":
        """The rule holds. A new firing starts from nothing, unless the last one's end was not told yet."""
        if self.state == "firing":
            return replace(self, title=finding.title, detail=finding.detail, clear_since=None)
        told = self.told if self.tries < TRIES else "resolved"
        return Alert(self.key, finding.rule, finding.title, finding.detail, "firing", now, told=told, told_at=self.told_at)

    def clear(self, now: datetime, after: timedelta) -> "Alert":
        """The rule does not hold; when it has not for as long as the rule asks, that is the end."""
        if self.state == "resolved":
            return self
        since = min(self.clear_since or now, now)
        if now - since < after:
            return replace(self, clear_since=since)
        # Of a notice that failed in part, or whose sender died, somebody may have heard: they are told of the end too.
        told: State = "firing" if self.tries else self.told
        return replace(self, state="resolved", resolved_at=max(now, self.since), clear_since=None, told=told, tries=0, tried_at=None)

    def due(self, now: datetime) -> bool:
        """Whether operators should be told now, and not being told by another instance at this moment."""
        if self.tried_at is not None and timedelta(0) <= now - self.tried_at < TOLD_WITHIN:
            return False
        if self.tries >= TRIES:
            return self.state == "firing" and self.tried_at is not None and now - self.tried_at >= REPEATED_AFTER
        if self.told != self.state:
            return True
        return self.state == "firing" and self.told_at is not None and now - self.told_at >= REPEATED_AFTER

    def trying(self, now: datetime) -> "Alert":
        return replace(self, tries=1 if self.tries >= TRIES else self.tries + 1, tried_at=now)

    def told_now(self, now: datetime) -> "Alert":
        return replace(self, told=self.state, told_at=now, tries=0, tried_at=None, notices=self.notices + 1)

    def notice(self) -> Notice:
        key = f"{self.key}:{rfc3339(self.since)}:{self.state}:{self.notices}"
        if self.state == "firing":
            again = " (still)" if self.notices else ""
            return Notice(key, self.title + again, f"{self.detail} Since {rfc3339(self.since)}.")
        lasted = max(timedelta(0), (self.resolved_at or self.since) - self.since)
        minutes = max(1, round(lasted.total_seconds() / 60))
        return Notice(key, f"Over: {self.title}", f"It lasted {minutes} {'minute' if minutes == 1 else 'minutes'}.", recovered=True)

    def values(self) -> dict[str, Value]:
        return {
            "v": 1,
            "rule": self.rule,
            "title": self.title,
            "detail": self.detail,
            "state": self.state,
            "since": self.since,
            "clear_since": self.clear_since,
            "resolved_at": self.resolved_at,
            "told": self.told,
            "told_at": self.told_at,
            "tries": self.tries,
            "tried_at": self.tried_at,
            "notices": self.notices,
        }

    @classmethod
    def of(cls, row: Row) -> "Alert":
        values = row.values
        return cls(
            key=row.key,
            rule=str(values["rule"]),
            title=str(values["title"]),
            detail=str(values["detail"]),
            state=_state(values["state"]),
            since=moment(values["since"]),
            clear_since=optional_moment(values.get("clear_since")),
            resolved_at=optional_moment(values.get("resolved_at")),
            told=_state(values["told"]),
            told_at=optional_moment(values.get("told_at")),
            tries=_number(values["tries"]),
            tried_at=optional_moment(values.get("tried_at")),
            notices=_number(values["notices"]),
        )


class Alerts:
    def __init__(self, tables: Tables, clock: Clock, rules: Sequence[Rule], notices: Notices) -> None:
        self._tables, self._clock, self._rules, self._notices = tables, clock, rules, notices
        self._deaf_since: datetime | None = None
        self._deaf_told_at: datetime | None = None

    async def evaluate(self) -> None:
        """Ask every rule and tell what is new. Safe to repeat and to overlap; it raises nothing but for a mistake of ours."""
        try:
            rows = await self._rows()
        except Unavailable:
            await self._deaf()
            return
        await self._hearing()
        found = await asyncio.gather(*map(_asked, self._rules))
        for rule, findings in zip(self._rules, found, strict=True):
            if findings is None:
                continue  # nobody knows: what fires goes on, what does not stays silent
            firing = {finding.key: finding for finding in findings}
            known = {row.key: row for row in rows if row.values["rule"] == rule.name}
            for key in {**known, **firing}:
                try:
                    await self._one(key, known.get(key), firing.get(key), rule)
                except Unavailable:
                    log.warning("alert_not_noted", alert=key)

    async def items(self) -> list[Alert]:
        """What fires, then what did in the last 30 days; each the newest first. One storage call."""
        alerts = sorted(map(Alert.of, await self._rows()), key=lambda alert: alert.since, reverse=True)
        return sorted(alerts, key=lambda alert: alert.state != "firing")

    async def test(self) -> None:
        """Tell operators something harmless. Raises LydianError when a way of telling them fails."""
        now = rfc3339(self._clock.now())
        await self._notices.send(Notice(f"test:{now}", "This is a test", f"An administrator asked for it at {now}. Nothing is wrong."))

    async def purge(self) -> int:
        """Forget what has been over for KEPT; return how many. Safe to run twice."""
        removed = 0
        for row in await self._rows():
            alert = Alert.of(row)
            if alert.resolved_at is not None and alert.state == "resolved" and self._clock.now() - alert.resolved_at > KEPT:
                try:
                    await self._tables.apply(TABLE, PARTITION, Delete(row.key, row.etag))
                    removed += 1
                except (EtagMismatch, Missing):
                    continue  # it fires again, or another's purge was faster
        return removed

    async def _rows(self) -> list[Row]:
        return await self._tables.query(TABLE, PARTITION, limit=1000)

    async def _one(self, key: str, row: Row | None, finding: Finding | None, rule: Rule) -> None:
        now = self._clock.now()
        before = Alert.of(row) if row else None
        if finding is not None:
            fresh = Alert(key, rule.name, finding.title, finding.detail, "firing", now)
            after = before.found(finding, now) if before else fresh
        elif before is not None:
            after = before.clear(now, rule.clears_after)
        else:
            return
        due = after.due(now)
        after = after.trying(now) if due else after
        if after == before:
            return
        values = after.values()
        try:
            etag = await self._tables.apply(TABLE, PARTITION, Replace(key, values, row.etag) if row else Insert(key, values))
            if due and await self._told(after):
                await self._tables.apply(TABLE, PARTITION, Replace(key, after.told_now(now).values(), etag))
        except (AlreadyExists, EtagMismatch, Missing):
            return  # another instance is at it

    async def _told(self, alert: Alert) -> bool:
        log.warning("alert", key=alert.key, state=alert.state, title=alert.title, detail=alert.detail)
        try:
            await self._notices.send(alert.notice())
        except LydianError as error:
            log.warning("alert_not_told", key=alert.key, tries=alert.tries, of=TRIES, error=error.message)
            return False
        return True

    async def _deaf(self) -> None:
        """Storage does not answer, so that no alert can be noted: this process alone remembers that it has told so."""
        now = self._clock.now()
        self._deaf_since = min(self._deaf_since or now, now)
        told = self._deaf_told_at is not None and now - self._deaf_told_at < REPEATED_AFTER
        if told or now - self._deaf_since < SILENT_FOR:
            return
        notice = Notice("storage", "Storage does not answer", f"Nothing can be read or noted since {rfc3339(self._deaf_since)}.")
        if await self._direct(notice):
            self._deaf_told_at = now

    async def _hearing(self) -> None:
        if self._deaf_told_at is not None and self._deaf_since is not None:
            notice = Notice("storage", "Over: storage does not answer", f"It began at {rfc3339(self._deaf_since)}.", recovered=True)
            if not await self._direct(notice):
                return  # the next run tries again
        self._deaf_since = self._deaf_told_at = None

    async def _direct(self, notice: Notice) -> bool:
        log.error("alert_without_storage", title=notice.title, detail=notice.detail)
        try:
            await self._notices.send_directly(notice)
        except LydianError as error:
            log.warning("alert_not_told", key=notice.key, error=error.message)
            return False
        return True


async def _asked(rule: Rule) -> Sequence[Finding] | None:
    """What a rule finds; None when it cannot tell, which stops no other rule."""
    try:
        async with asyncio.timeout(RULE_TIME):
            return await rule.find()
    except (LydianError, TimeoutError) as error:
        log.warning("alert_rule_not_evaluated", rule=rule.name, error=str(error) or type(error).__name__)
    except Exception:
        log.exception("alert_rule_failed", rule=rule.name)
    return None


def _state(value: Value) -> State:
    return "firing" if value == "firing" else "resolved"


def _number(value: Value) -> int:
    return value if isinstance(value, int) else 0
