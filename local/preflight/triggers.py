"""What nobody calls: queues and timers (SPEC §9). Both are seen through what they leave behind."""

from datetime import UTC, datetime
from typing import Any

from .target import Broken, CannotTell, Target, part

PROBE_AGE = 180
"""Seconds after which a probe is old: its timer runs each minute."""
QUEUE_PAUSE = 1.0


def queue(target: Target) -> str:
    """That what waits is taken. A message that stays where it is has no consumer: on Flex Consumption, one that never started. So that
    something waits, a conversation is made and removed, which leaves a message in ``chat-events``."""

    def lengths() -> dict[str, int]:
        items = part(target.ask("GET", "/api/monitoring/queues"), "items")
        for item in items:
            if part(item, "poison_length"):
                raise Broken(f"{item['poison_length']} message(s) in {item['name']}-poison: GET /api/monitoring/queues says of what kind")
        return {str(item["name"]): int(part(item, "length")) for item in items}

    lengths()  # whether this token may look at all
    made = _work_for_a_queue(target)
    before = lengths()
    waiting = {name for name, length in before.items() if length}

    def taken() -> bool | None:
        now = lengths()
        waiting.difference_update({name for name in waiting if now.get(name, 0) < before[name]})
        return None if waiting else True

    if not waiting and not made:
        raise CannotTell(
            f"{len(before)} queues are empty, and nothing could be put into one: chat is not served here, or not to this token"
        )
    if waiting:
        target.eventually(taken, f"messages in {', '.join(sorted(waiting))} were taken", QUEUE_PAUSE)
    return f"{len(before)} queues: what there was to do was taken, nothing waits for ever and nothing is poisoned"


def _work_for_a_queue(target: Target) -> bool:
    try:
        conversation = part(target.ask("POST", "/api/chat/conversations", 201, json={}), "id")
    except CannotTell:
        return False
    target.ask("DELETE", f"/api/chat/conversations/{conversation}", 204)
    return True


def timer(target: Target) -> str:
    """The probes' timer, once a minute, is the quickest; all others are timers of the same kind."""

    def newest() -> datetime | None:
        board = target.ask("GET", "/api/monitoring/health")
        probes: list[Any] = [*part(board, "services").values(), *part(board, "dependencies").values()]
        times = [_time(probe["probed_at"]) for probe in probes if probe.get("probed_at")]
        found = max(times, default=None)
        return found if found and (datetime.now(UTC) - found).total_seconds() < PROBE_AGE else None

    found = target.eventually(newest, "a run of the probes' timer", 1)
    return f"the probes last ran {(datetime.now(UTC) - found).total_seconds():.0f} s ago"


def _time(text: Any) -> datetime:
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        raise Broken(f"{text!r} is no time") from None
