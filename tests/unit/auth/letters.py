"""Mail that was handed in, instead of mail."""

from urllib.parse import parse_qs, urlsplit

from shared_code.mail.ports import Mail
from tests.unit.apps import App


class Letters:
    """A Mailer that keeps what it is given; the same key twice is one message, as the real one promises."""

    def __init__(self, app: App) -> None:
        self._app, self._sent = app, list[Mail]()
        app.container.mailer = self

    async def send(self, mail: Mail) -> None:
        if not mail.key or mail.key not in [each.key for each in self._sent]:
            self._sent.append(mail)

    async def all(self, template: str | None = None) -> list[Mail]:
        await self._app.settled()
        return [mail for mail in self._sent if template in (None, mail.template)]

    async def link(self, template: str) -> str:
        """Where the latest one's link leads."""
        return (await self.all(template))[-1].values["link"]

    async def token(self, template: str) -> str:
        return parse_qs(urlsplit(await self.link(template)).query)["token"][0]
