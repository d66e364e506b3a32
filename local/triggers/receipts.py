"""Which version of which blob each function has dealt with: kept on disk, so that a restart repeats nothing.

The real host keeps such receipts as blobs in `azure-webjobs-hosts`; a file in the data folder does the same for one
machine without a storage call for each. Several hosts may share it.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = """
create table if not exists receipts (
    function text not null, container text not null, name text not null,
    etag text not null, tries integer not null, done integer not null,
    primary key (function, container, name)
) without rowid
"""


@dataclass(frozen=True)
class Receipt:
    etag: str
    tries: int
    done: bool


class Receipts:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None, timeout=10)
        # A write-ahead log without a sync for each commit: a power cut may cost the last receipts, never the file.
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = normal")
        self._database.execute(_SCHEMA)

    def load(self, function: str, container: str) -> dict[str, Receipt]:
        rows = self._database.execute(
            "select name, etag, tries, done from receipts where function = ? and container = ?", (function, container)
        )
        return {name: Receipt(etag, tries, bool(done)) for name, etag, tries, done in rows}

    def write(self, function: str, container: str, name: str, receipt: Receipt) -> None:
        self._database.execute(
            "insert or replace into receipts values (?, ?, ?, ?, ?, ?)",
            (function, container, name, receipt.etag, receipt.tries, receipt.done),
        )

    def forget(self, function: str, container: str, names: Iterable[str]) -> None:
        """Drop the receipts of blobs that are gone."""
        self._database.executemany(
            "delete from receipts where function = ? and container = ? and name = ?", [(function, container, name) for name in names]
        )

    def close(self) -> None:
        self._database.close()
