"""Checking the trail: every day's chain from its beginning to its signed end, and each day's hold on the one before.

Memory does not grow with a day: what is needed of its rows, which are stored newest first, waits in a temporary file for its turn.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import IO, Literal

from shared_code import ids
from shared_code.clock import Clock
from shared_code.storage.ports import Row, Tables

from . import chain
from . import tables as rows
from .copies import compare
from .heads import Heads, hash_at
from .models import Dropped, Head
from .ports import BadSignature, Signer, UnknownKey

PAGE = 1000
UNSEALED_FOR = timedelta(minutes=15)
"""An event that is older should have been sealed."""
MOST_FINDINGS = 20
"""Findings named of one day's rows; the rest are counted."""
MOST_ROWS = 50_000_000
"""What a day may be said to have: whoever forges a number costs us no more than that."""
ENTRY = 32 + 32 + ids.LENGTH
"""Bytes of a row in the file: its digest, its hash, its id."""

Kind = Literal["tampered", "unchecked", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """``seq`` is None where it concerns the day as a whole. A note alone leaves the trail intact."""

    kind: Kind
    day: str
    seq: int | None
    what: str


@dataclass(slots=True)
class Report:
    days: int = 0
    sealed: int = 0
    unsealed: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def outcome(self) -> Literal["intact", "tampered", "unchecked"]:
        kinds = {finding.kind for finding in self.findings}
        return "tampered" if "tampered" in kinds else "unchecked" if "unchecked" in kinds else "intact"


class Verifier:
    def __init__(self, tables: Tables, clock: Clock, signer: Signer) -> None:
        self._tables, self._clock, self._signer = tables, clock, signer
        self._heads = Heads(tables)
        self._report = Report()
        self._dropped: Dropped | None = None

    async def verify(self, only: str | None = None) -> Report:
        """Check every day, or one (``YYYYMMDD``) and its hold on its neighbours."""
        self._report = Report()
        self._dropped = await self._read_dropped()
        gone = self._dropped.through if self._dropped else ""
        days = [day for day in await rows.days(self._tables) if day > gone]  # a purge may be removing the others
        unknown: dict[str, str] = {}
        vouched: set[str] = set()
        holds: dict[str, str] = {}
        for day in [each for each in days if only in (None, each)]:
            self._report.days += 1
            if (head := await self._day(day)) is not None:
                holds[day] = head.previous_day
                if await self._signature(head, unknown):
                    vouched.add(head.previous_day)
        if only is not None:
            vouched |= await self._holds_on(only, [day for day in days if day > only])
        await self._copied_heads(days, only, gone)
        tampered = {finding.day for finding in self._report.findings if finding.kind == "tampered"}
        for day in sorted(holds, reverse=True):
            if day in vouched and day not in tampered:
                vouched.add(holds[day])  # its chain holds what it began with
        for day, key in unknown.items():
            what = f"its head is signed with the key {key}, which is not known (any more)"
            if day in vouched:
                self._add("note", day, None, f"{what}; a later day vouches for it")
            else:
                self._add("unchecked", day, None, f"{what}, and no other day vouches for it")
        return self._report

    def _add(self, kind: Kind, day: str, seq: int | None, what: str) -> None:
        self._report.findings.append(Finding(kind, day, seq, what))

    async def _day(self, day: str) -> Head | None:
        """Check one day's rows against its head; its head when it can be read."""
        for _ in range(2):
            try:
                head = await self._heads.of(day)
            except ValueError as error:
                self._add("tampered", day, None, f"its head was altered: {error}")
                return None
            with tempfile.TemporaryFile() as spool:
                opened = await self._rows(day, head, spool)
                if head is None and opened and await self._heads.of(day) is not None:
                    continue  # its first seal came meanwhile
                if head is None:
                    if opened:
                        self._add("tampered", day, None, "its head was removed: there are sealed rows")
                    return None
                if head.day != day:
                    self._add("tampered", day, None, "its head is another day's")
                self._chain(day, head, spool)
                await self._link(head)
                return head
        return None

    async def _rows(self, day: str, head: Head | None, spool: IO[bytes]) -> bool:
        """Put the sealed rows into the file, each at its place; whether there are any."""
        now, any_sealed, late = self._clock.now(), False, 0
        beyond: list[tuple[int, str]] = []
        after = None
        while page := await self._tables.query(rows.table_of(day), rows.LOG, prefix=rows.EVENT, after=after, limit=PAGE):
            for row in page:
                seal = _seal(row)
                if seal is None:
                    self._report.unsealed += 1
                    if not rows.is_event(row) or now - rows.to_event(row).at > UNSEALED_FOR:
                        late += 1
                    continue
                any_sealed = True
                seq, link = seal
                if head is None or seq > min(head.seq, MOST_ROWS):
                    beyond.append((seq, row.key))
                    del beyond[MOST_ROWS // PAGE :]
                    continue
                self._report.sealed += 1
                self._place(day, row, seq, link, spool)
            behind, after = after, page[-1].key
            for finding in await compare(self._tables, day, page, behind, after if len(page) == PAGE else None):
                self._add("tampered", day, None, finding)
        if late:
            self._add("unchecked", day, None, f"{late} rows older than {UNSEALED_FOR} are not sealed: does the timer auth_seal_audit run?")
        if beyond and head is not None:
            # Sealing goes on while we look: what is new is behind the head as it is now.
            current = await self._heads.of(day)
            for seq, key in [each for each in beyond if current is None or each[0] > current.seq][:MOST_FINDINGS]:
                self._add("tampered", day, seq, f"row {key} pretends to be sealed: the head knows no such number")
        return any_sealed

    def _place(self, day: str, row: Row, seq: int, link: str, spool: IO[bytes]) -> None:
        try:
            entry = rows.digest(day, row) + bytes.fromhex(link) + rows.id_of(row).encode()
        except ValueError:
            entry = b""
        spool.seek(max(seq - 1, 0) * ENTRY)
        if len(entry) != ENTRY or seq < 1:
            self._add("tampered", day, seq, f"row {row.key} was altered: it is no sealed event")
        elif spool.read(ENTRY).strip(b"\0"):
            self._add("tampered", day, seq, f"row {row.key} was added or altered: its number is another row's too")
        else:
            spool.seek((seq - 1) * ENTRY)
            spool.write(entry)

    def _chain(self, day: str, head: Head, spool: IO[bytes]) -> None:
        broken, link = 0, chain.genesis(day, head.previous_day, head.previous_seq, head.previous_hash)
        missing_from = None
        for seq, entry in enumerate(_entries(spool), 1):
            if not entry.strip(b"\0"):
                missing_from = missing_from or seq
                link = ""
                continue
            if missing_from is not None:
                broken += 1
                if broken <= MOST_FINDINGS:
                    self._missing(day, missing_from, seq - 1)
                missing_from = None
            digest, stored, event_id = entry[:32], entry[32:64].hex(), entry[64:].decode()
            if link and chain.link(link, digest) != stored:
                broken += 1
                if broken <= MOST_FINDINGS:
                    self._add("tampered", day, seq, f"event {event_id} was altered or moved: its hash does not follow")
            link = stored
        written = spool.tell() // ENTRY
        if written < head.seq:
            self._missing(day, written + 1, head.seq)
        elif link != head.hash:
            self._add("tampered", day, head.seq, "the last hash is not the head's")
        if broken > MOST_FINDINGS:
            self._add("tampered", day, None, f"{broken - MOST_FINDINGS} more places where the chain is broken")

    def _missing(self, day: str, first: int, last: int) -> None:
        what = f"rows {first} to {last} were removed" if last > first else "the row was removed"
        self._add("tampered", day, first, what)

    async def _signature(self, head: Head, unknown: dict[str, str]) -> bool:
        try:
            if await self._signer.signed(head.signature) == chain.head_text(head):
                return True
            self._add("tampered", head.day, None, "its head was altered: it is not what was signed")
        except BadSignature:
            self._add("tampered", head.day, None, "its head was altered: the signature is wrong")
        except UnknownKey as key:
            unknown[head.day] = str(key)
        return False

    async def _link(self, head: Head) -> None:
        """The chain goes on from what the day before still says."""
        previous, gone = head.previous_day, self._dropped
        if not previous:
            return
        if gone is not None and previous <= gone.through:
            if previous == gone.day and head.previous_seq == gone.seq and head.previous_hash != gone.hash:
                self._add("tampered", head.day, None, f"it does not go on from the end of {previous}, which retention has removed")
            return
        try:
            before = await self._heads.of(previous)
        except ValueError:
            before = None  # said of that day itself
        if before is None:
            self._add("tampered", previous, None, f"the day, or its head, was removed: {head.day} goes on from it")
        elif await hash_at(self._tables, before, head.previous_seq) != head.previous_hash:
            self._add("tampered", previous, head.previous_seq, f"{head.day} goes on from another hash: the day was altered")

    async def _holds_on(self, day: str, later: list[str]) -> set[str]:
        """Check the hold of the next day with a chain on ``day``; the days that it vouches for."""
        for each in later:
            try:
                head = await self._heads.of(each)
            except ValueError:
                continue
            if head is not None:
                await self._link(head)
                return {head.previous_day} if await self._signature(head, {}) else set()
        return set()

    async def _copied_heads(self, days: list[str], only: str | None, gone: str) -> None:
        """What was known of a day outside of its table must still be true: the latest days have no later one that holds them."""
        after = None
        while page := await self._tables.query(rows.HEADS, rows.LOG, prefix=rows.DAY, after=after, limit=PAGE):
            after = page[-1].key
            for row in page:
                day = row.key.removeprefix(rows.DAY)
                if day > gone and only in (None, day):
                    await self._copied_head(day, row, day in days)

    async def _copied_head(self, day: str, row: Row, exists: bool) -> None:
        try:
            copy = rows.to_head(row)
            if await self._signer.signed(copy.signature) != chain.head_text(copy) or copy.day != day:
                raise BadSignature
            head = await self._heads.of(day)
        except UnknownKey:
            return
        except (BadSignature, ValueError):
            self._add("tampered", day, None, "the copy of its head, or the head, was altered")
            return
        if head is None:
            self._add("tampered", day, None, f"its head was removed: it had {copy.seq} rows" if exists else "the day was removed")
        elif head.seq < copy.seq or await hash_at(self._tables, head, copy.seq) != copy.hash:
            self._add("tampered", day, copy.seq, "the day was replaced: an earlier signed head says otherwise")

    async def _read_dropped(self) -> Dropped | None:
        """What retention has signed for; None also when it is not what was signed."""
        try:
            dropped = await self._heads.dropped()
            if dropped is None or await self._signer.signed(dropped.signature) == chain.dropped_text(dropped):
                return dropped
            raise BadSignature
        except UnknownKey as key:
            self._add("unchecked", "", None, f"the mark of what retention has removed is signed with the key {key}, which is not known")
        except (BadSignature, ValueError):
            self._add("tampered", "", None, "the mark of what retention has removed was altered")
        return None


def _seal(row: Row) -> tuple[int, str] | None:
    """A row's number and hash; None for one that was never sealed. A number of 0 for what cannot be one."""
    values = row.values
    if values.get("sealed") is not True and "seq" not in values and "hash" not in values:
        return None
    seq, link = values.get("seq"), values.get("hash")
    return (seq if type(seq) is int and seq > 0 and values.get("sealed") is True else 0), str(link)


def _entries(spool: IO[bytes]) -> Iterator[bytes]:
    """The entries of the numbers from 1 to the highest found; one of zeros for each gap."""
    spool.seek(0)
    while entry := spool.read(ENTRY):
        yield entry
