"""How operators are told: by mail, and by a webhook that takes what Slack takes."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from .ports import Notice

SendMail = Callable[[str, dict[str, str], str], Awaitable[None]]
"""To an address, with the values of the template ``alert``; two with one key are one mail."""
Post = Callable[[str, Any], Awaitable[None]]


class OperatorNotices:
    """``link`` is where one looks at it; "" for nowhere."""

    def __init__(self, *, emails: Sequence[str], webhook: str, mail: SendMail, post: Post, product: str, link: str) -> None:
        self._emails, self._webhook, self._mail, self._post = emails, webhook, mail, post
        self._product, self._link = product, link

    @property
    def recipients(self) -> int:
        return len(self._emails)

    @property
    def has_webhook(self) -> bool:
        return bool(self._webhook)

    async def send(self, notice: Notice) -> None:
        values = {"title": notice.title, "detail": notice.detail, **({"link": self._link} if self._link else {})}
        for email in self._emails:
            await self._mail(email, values, f"alert:{notice.key}:{email}")
        await self.send_directly(notice)

    async def send_directly(self, notice: Notice) -> None:
        if not self._webhook:
            return
        mark = "" if notice.recovered else "Alert: "
        text = f"{self._product} – {mark}{notice.title}\n{notice.detail}" + (f"\n{self._link}" if self._link else "")
        # https://docs.slack.dev/messaging/formatting-message-text: these three, and no more.
        await self._post(self._webhook, {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")})
