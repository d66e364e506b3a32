"""Opening a conversation: its first page when it has 2,000 messages, and when it has 20, over HTTP on a real Azurite.

    python bench/chat_open.py [requests per round]

The conversations come by import, each of one thread; rounds of the two alternate. The peer of the long one is the short one.
"""

import asyncio
import json
import statistics
import sys
from typing import Any

from support import Server, Setup, banner, call, median, page_times, paired, register, spread, table, verdict

SIZES = (20, 2_000)
PAGE = 20
ROUNDS = 5
GOAL_GROWTH = 2.0
TEXT = "A paragraph of an ordinary answer, as long as most are; it goes on for a line or two and then it stops. " * 4


def conversation(size: int) -> dict[str, Any]:
    """What an export of a conversation of ``size`` messages in one thread is."""
    messages = [
        {
            "id": f"m{number:05}",
            "parent_id": f"m{number - 1:05}" if number else None,
            "role": ("user", "assistant")[number % 2],
            "content": TEXT,
            "created_at": f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z",
        }
        for number in range(size)
    ]
    about = {"title": f"{size} messages", "head_id": messages[-1]["id"]}
    return {"format": "lydian-chat", "version": 1, "conversation": about, "messages": messages}


def imported(app: Server, token: str, size: int) -> str:
    """The path of its messages."""
    found = call(f"{app.url}/api/chat/import", token, json.dumps(conversation(size)).encode())
    return f"{app.url}/api/chat/conversations/{found['id']}/messages?limit={PAGE}"


def main(count: int) -> None:
    banner("Opening a conversation")
    with Setup() as setup:
        app = setup.app(setup.azurite(), SERVICES="auth,chat")
        [token] = register(app, 1)
        urls = [imported(app, token, size) for size in SIZES]
        p50: list[list[float]] = [[] for _ in SIZES]
        p95: list[list[float]] = [[] for _ in SIZES]
        for _ in range(ROUNDS):
            for number, url in enumerate(urls):
                times = asyncio.run(page_times(url, token, PAGE, count))
                p50[number].append(median(times))
                p95[number].append(statistics.quantiles(times, n=100)[94])
    rows = [(f"{size} messages", spread(p50[number], 1), spread(p95[number], 1)) for number, size in enumerate(SIZES)]
    table((f"first page of {PAGE}, ms", "p50", "p95"), rows)
    verdict("allowed growth / ours", GOAL_GROWTH / paired(p50[1], p50[0]), 1.0)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
