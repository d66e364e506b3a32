"""The totals of one customer's mirror: how many of each kind, currency and status, and what they come to."""

import json
from dataclasses import dataclass, field

from shared_code.storage.ports import Insert, Operation, Replace, Row, Value

from .objects import TOTALS_KEY

Counted = tuple[str, str, str, int]


@dataclass(slots=True)
class Totals:
    """``sums["pi usd succeeded"]`` is a count and a sum of minor units."""

    sums: dict[str, tuple[int, int]] = field(default_factory=dict)
    etag: str | None = None

    @classmethod
    def of(cls, row: Row | None) -> "Totals":
        if row is None:
            return cls()
        sums = {name: (int(count), int(amount)) for name, (count, amount) in json.loads(str(row.values["sums"])).items()}
        return cls(sums, row.etag)

    def change(self, gone: Counted | None, come: Counted | None) -> Operation:
        """The operation that counts ``come`` in the place of ``gone``."""
        for sign, each in ((-1, gone), (1, come)):
            if each is not None:
                name = " ".join(each[:3])
                count, amount = self.sums.get(name, (0, 0))
                self.sums[name] = (count + sign, amount + sign * each[3])
        text = json.dumps({name: list(pair) for name, pair in sorted(self.sums.items()) if pair != (0, 0)})
        values: dict[str, Value] = {"v": 1, "sums": text}
        return Insert(TOTALS_KEY, values) if self.etag is None else Replace(TOTALS_KEY, values, self.etag)
