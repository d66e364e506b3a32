"""What the server knows: objects by kind and id, in order of creation, changed in transactions, kept in SQLite when told so.

Everything runs on one event loop and no transaction awaits, so transactions never meet.
"""

import json
import random
import sqlite3
import string
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Object = dict[str, Any]
_ALPHABET = string.ascii_letters + string.digits


class Store:
    """`get` gives an object to change, `peek` and `all` one to read. `commit` keeps the changes, `rollback` forgets them."""

    def __init__(self, path: Path | None = None, clock: Any = time.time) -> None:
        self._kinds: dict[str, dict[str, Object]] = {}
        self._live: dict[tuple[str, str], Object | None] = {}
        self._clock = clock
        self._database = None if path is None else _open(path)
        if self._database is not None:
            for kind, id, body in self._database.execute("SELECT kind, id, body FROM objects ORDER BY rowid"):
                self._kinds.setdefault(kind, {})[id] = json.loads(body)

    def now(self) -> int:
        """Unix seconds: the machine's clock and what tests have advanced it by."""
        meta = self.peek("_meta", "clock")
        return int(self._clock()) + (meta["offset"] if meta else 0)

    def travel(self, to: int) -> None:
        clock = self.get("_meta", "clock") or self.add("_meta", {"id": "clock", "offset": 0})
        clock["offset"] += max(0, to - self.now())

    def new_id(self, prefix: str, length: int = 24) -> str:
        return f"{prefix}_{''.join(random.choices(_ALPHABET, k=length))}"

    def add(self, kind: str, obj: Object) -> Object:
        self._live[kind, obj["id"]] = obj
        return obj

    def get(self, kind: str, id: str) -> Object | None:
        key = kind, id
        if key not in self._live:
            kept = self._kinds.get(kind, {}).get(id)
            if kept is None:
                return None
            self._live[key] = json.loads(json.dumps(kept))
        return self._live[key]

    def peek(self, kind: str, id: str) -> Object | None:
        """As `get`, but not to be changed."""
        return self._live[kind, id] if (kind, id) in self._live else self._kinds.get(kind, {}).get(id)

    def committed(self, kind: str, id: str) -> Object | None:
        """As it was before this transaction."""
        return self._kinds.get(kind, {}).get(id)

    def delete(self, kind: str, id: str) -> None:
        self._live[kind, id] = None

    def all(self, kind: str) -> Iterator[Object]:
        """Oldest first, not to be changed."""
        kept = self._kinds.get(kind, {})
        for id, obj in kept.items():
            current = self._live.get((kind, id), obj)
            if current is not None:
                yield current
        for (live_kind, id), live in list(self._live.items()):
            if live_kind == kind and id not in kept and live is not None:
                yield live

    def count(self, kind: str) -> int:
        return sum(1 for _ in self.all(kind))

    def commit(self) -> None:
        changed = [(key, obj) for key, obj in self._live.items() if obj != self._kinds.get(key[0], {}).get(key[1])]
        self._live.clear()
        for (kind, id), obj in changed:
            if obj is None:
                self._kinds[kind].pop(id, None)
            else:
                self._kinds.setdefault(kind, {})[id] = obj
        if self._database is not None and changed:
            with self._database:
                self._database.executemany("DELETE FROM objects WHERE kind = ? AND id = ?", [key for key, obj in changed if obj is None])
                self._database.executemany(
                    "INSERT INTO objects VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                    [(*key, json.dumps(obj)) for key, obj in changed if obj is not None],
                )

    def rollback(self) -> None:
        self._live.clear()

    def clear(self) -> None:
        self._kinds.clear()
        self._live.clear()
        if self._database is not None:
            with self._database:
                self._database.execute("DELETE FROM objects")

    def close(self) -> None:
        if self._database is not None:
            self._database.close()


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, check_same_thread=False)  # the test's runner makes the server in one thread and runs it in another
    # A power cut may cost the last requests of a demonstration; a killed process costs none.
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = OFF")
    database.execute("CREATE TABLE IF NOT EXISTS objects (kind TEXT, id TEXT, body TEXT, PRIMARY KEY (kind, id))")
    return database
