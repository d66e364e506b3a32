"""Stand-ins for the mail service and the queue, which keep what they are given."""

from collections.abc import Awaitable, Callable

from shared_code.mail.ports import Mail
from shared_code.storage.events import Event, InProcessEvents
from tests.unit.apps import App


class Postman:
    """Takes the place of the mail service and keeps every letter."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []

    async def send(self, mail: Mail) -> None:
        self.mails.append(mail)

    def token(self, template: str) -> str:
        [*_, mail] = [mail for mail in self.mails if mail.template == template]
        return mail.values["link"].partition("token=")[2]


class Held(InProcessEvents):
    """What a queue would hold: handled when the test settles, not beside the request."""

    def __init__(self, handle: Callable[[str, Event], Awaitable[None]]) -> None:
        super().__init__(handle)
        self.sent: list[tuple[str, Event]] = []

    async def send(self, service: str, event: Event, *, delay: int = 0) -> None:
        self.sent.append((service, event))

    async def drain(self) -> None:
        while self.sent:
            await self._handle(*self.sent.pop(0))


def with_postman(app: App) -> Postman:
    postman = Postman()
    # In place of the cached properties.
    app.container.__dict__.update(mailer=postman, events=Held(app.container.handle_event))
    return postman
