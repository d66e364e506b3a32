"""Share links: a secret token for one file, with expiry, password and a limit of downloads."""

import hashlib
import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared_code import ids
from shared_code.audit.ports import Audit
from shared_code.clock import Clock
from shared_code.coalesce import Coalescer
from shared_code.errors import Busy, Gone, NotFound, RateLimited, Unauthenticated
from shared_code.storage.ports import Delete, EtagMismatch, Insert, Missing, Replace, Row, Tables

from .models import File, Share
from .ports import Passwords
from .records import Records
from .tables import FILES, SHARE_KEY, SHARES, share_index_key, share_values, to_share

MIN_SECONDS, MAX_SECONDS, DEFAULT_SECONDS = 60, 604_800, 3_600
WRONG_PASSWORDS, WRONG_WINDOW = 10, timedelta(minutes=15)
TRIES = 12
_CHALLENGE = {"challenge": 'Basic realm="share", charset="UTF-8"'}


@dataclass(frozen=True, slots=True)
class Opened:
    share: Share
    file: File


class Shares:
    def __init__(self, *, tables: Tables, records: Records, clock: Clock, audit: Audit, passwords: Passwords) -> None:
        self._tables, self._records, self._clock, self._audit, self._passwords = tables, records, clock, audit, passwords
        # Downloads of one link at one time are counted together: one write for all that this process serves.
        self._counts: Coalescer[Share, None] = Coalescer(self._count)
        # Passwords of one link are tried one group after another: guesses sent at once do not slip under the limit.
        self._guesses: Coalescer[str, Opened] = Coalescer(self._guess)

    async def create(
        self, owner_id: str, file_id: str, *, expires_in: int, password: str | None, max_downloads: int | None
    ) -> tuple[Share, str]:
        """A new share and its token, which is stored only as a hash. Raises NotFound for a file that is not active."""
        await self._records.get(owner_id, file_id, active=True)
        now, token = self._clock.now(), secrets.token_urlsafe(24)
        share = Share(
            id=ids.new_id(now),
            owner_id=owner_id,
            file_id=file_id,
            token_hash=hash_token(token),
            created_at=now,
            expires_at=now + timedelta(seconds=expires_in),
            max_downloads=max_downloads,
            password_hash=await self._passwords.hash(password) if password else None,
        )
        # Where it is first, then the share: what a cut leaves behind leads nowhere, and never a link that cannot be revoked.
        index = Insert(share_index_key(file_id, share.id), {"token_hash": share.token_hash, "expires_at": share.expires_at})
        await self._tables.apply(FILES, owner_id, index)
        await self._tables.apply(SHARES, share.token_hash, Insert(SHARE_KEY, share_values(share)))
        await self._audit.record("share_created", user_id=owner_id, file_id=file_id, share_id=share.id)
        return share, token

    async def page(self, owner_id: str, file_id: str, *, after: str | None, limit: int) -> list[Share]:
        """Up to ``limit`` shares of the file, newest first, behind the share id ``after``."""
        await self._records.get(owner_id, file_id)
        key = share_index_key(file_id, after) if after else None
        found: list[Share] = []
        while len(found) < limit and (
            rows := await self._tables.query(FILES, owner_id, prefix=share_index_key(file_id), after=key, limit=limit - len(found))
        ):
            key = rows[-1].key
            for row in rows:
                share = await self._by_hash(str(row.values["token_hash"]))
                if share is not None:  # else its creation was cut off between the two rows
                    found.append(share)
        return found

    async def revoke(self, owner_id: str, file_id: str, share_id: str) -> None:
        """End a share at once; a revoked one stays listed and answers 410. Raises NotFound."""
        await self._records.get(owner_id, file_id)
        index = await self._tables.get(FILES, owner_id, share_index_key(file_id, share_id)) if ids.is_id(share_id) else None
        share = await self._by_hash(str(index.values["token_hash"])) if index else None
        if share is None:
            raise NotFound("There is no such share.", code="share_not_found")
        await self._update(share.token_hash, lambda current: replace(current, revoked=True))
        await self._audit.record("share_revoked", user_id=owner_id, file_id=file_id, share_id=share_id)

    async def open(self, token: str, password: str | None) -> Opened:
        """The share and its file, before anything is counted.

        Raises NotFound for an unknown token; Gone when it is expired, revoked, used up or its file is deleted;
        Unauthenticated without the right password; RateLimited after ten wrong ones in 15 minutes.
        """
        token_hash = hash_token(token)
        if password is not None:
            return await self._guesses.submit(token_hash, password)
        opened = await self._find(token_hash)
        if opened.share.password_hash is not None:
            raise Unauthenticated("This link needs its password.", code="share_password_required", extra=_CHALLENGE)
        return opened

    async def _find(self, token_hash: str) -> Opened:
        share = await self._by_hash(token_hash)
        if share is None:
            raise NotFound("There is no such share.", code="share_not_found")
        _check_usable(share, self._clock.now())
        file = await self._records.find(share.file_id)
        if file is None or file.status != "active":
            raise Gone("The shared file has been deleted.", code="share_gone")
        return Opened(share, file)

    async def count_download(self, share: Share) -> None:
        """Count one download of a share that ``open`` gave; raises Gone when concurrent ones have used up the limit."""
        await self._counts.submit(share.token_hash, share)

    async def _count(self, token_hash: str, downloads: Sequence[Share]) -> Sequence[None | BaseException]:
        results: list[None | BaseException] = []

        def counted(share: Share) -> Share:
            now = self._clock.now()
            results.clear()
            for _ in downloads:
                try:
                    _check_usable(share, now)
                except Gone as error:
                    results.append(error)
                else:
                    share = replace(share, downloads=share.downloads + 1, last_access_at=now)
                    results.append(None)
            return share

        # The last one that was opened knows best; when it knows too little, its ETag says so.
        await self._update(token_hash, counted, known=downloads[-1])
        return list(results)

    async def _guess(self, token_hash: str, passwords: Sequence[str]) -> Sequence[Opened | BaseException]:
        """For each password: what it opens, or why it opens nothing. Wrong ones are counted before anyone is told."""
        opened = await self._find(token_hash)
        share, now, wrong = opened.share, self._clock.now(), 0
        if share.password_hash is None:
            return [opened] * len(passwords)
        results: list[Opened | BaseException] = []
        verdicts: dict[str, bool] = {}  # one slow hash for each different password
        for password in passwords:
            if (limited := _limited(_with_wrong(share, wrong, now), now)) is not None:
                results.append(limited)
                continue
            if password not in verdicts:
                verdicts[password] = await self._passwords.verify(password, share.password_hash)
            if verdicts[password]:
                results.append(opened)
            else:
                wrong += 1
                results.append(Unauthenticated("The password is wrong.", code="share_password_wrong", extra=_CHALLENGE))
        if wrong:
            await self._update(token_hash, lambda current: _with_wrong(current, wrong, now), known=share)
        return results

    async def _update(self, token_hash: str, change: Callable[[Share], Share], known: Share | None = None) -> None:
        """Change a share; ``known`` is its row as last read, which saves reading it when nobody has changed it since."""
        for _ in range(TRIES):
            share, known = known or await self._by_hash(token_hash), None
            if share is None:
                raise Gone("This link has been removed.", code="share_gone")
            changed = change(share)
            if changed == share:
                return
            try:
                await self._tables.apply(SHARES, token_hash, Replace(SHARE_KEY, share_values(changed), share.row_etag))
                return
            except (EtagMismatch, Missing):
                continue
        raise Busy("This link is being used by too many at once.")

    async def _by_hash(self, token_hash: str) -> Share | None:
        row = await self._tables.get(SHARES, token_hash, SHARE_KEY)
        return to_share(row) if row else None

    async def purge(self, before: datetime) -> int:
        """Remove shares that expired before ``before``; return how many."""
        count = 0
        partition = key = None
        while rows := await self._tables.query(FILES, prefix="s:", after_partition=partition, after=key, limit=500):
            partition, key = rows[-1].partition, rows[-1].key
            old = [row for row in rows if _expired(row, before)]
            await self._remove(old)
            count += len(old)
        return count

    async def _remove(self, index_rows: Sequence[Row]) -> None:
        for row in index_rows:
            # The share first: the index must lead to it for as long as it lives.
            for table, partition, operation in (
                (SHARES, str(row.values["token_hash"]), Delete(SHARE_KEY)),
                (FILES, row.partition, Delete(row.key)),
            ):
                try:
                    await self._tables.apply(table, partition, operation)
                except Missing:
                    pass  # another run was faster


def hash_token(token: str) -> str:
    # 192 random bits need no slow hash.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _check_usable(share: Share, now: datetime) -> None:
    if share.revoked:
        raise Gone("This link has been revoked.", code="share_gone")
    if share.expires_at <= now:
        raise Gone("This link has expired.", code="share_gone")
    if share.max_downloads is not None and share.downloads >= share.max_downloads:
        raise Gone("This link has been used up.", code="share_gone")


def _with_wrong(share: Share, wrong: int, now: datetime) -> Share:
    """The share after ``wrong`` more wrong passwords."""
    if not wrong:
        return share
    recent = share.wrong_since is not None and now - share.wrong_since < WRONG_WINDOW
    return replace(
        share, wrong_passwords=wrong + (share.wrong_passwords if recent else 0), wrong_since=share.wrong_since if recent else now
    )


def _limited(share: Share, now: datetime) -> RateLimited | None:
    if share.wrong_since is None or share.wrong_passwords < WRONG_PASSWORDS or now - share.wrong_since >= WRONG_WINDOW:
        return None
    left = share.wrong_since + WRONG_WINDOW - now
    return RateLimited("Too many wrong passwords for this link.", retry_after=max(1, math.ceil(left.total_seconds())))


def _expired(row: Row, before: datetime) -> bool:
    expires_at = row.values["expires_at"]
    return isinstance(expires_at, datetime) and expires_at < before
