"""What other parts, and auth itself, ask of auth.

A mail is asked for here, not in the request: so a request does the same work whether or not an address has an account.
"""

from shared_code.audit.ports import Audit
from shared_code.mail.ports import Mail, Mailer
from shared_code.storage.events import Event, unknown

from .accounts import Accounts
from .deletion import Deletion
from .models import User
from .one_time import OneTimeTokens


class AuthEvents:
    def __init__(self, *, accounts: Accounts, one_time: OneTimeTokens, mailer: Mailer, audit: Audit, deletion: Deletion) -> None:
        self._accounts, self._one_time, self._mailer, self._audit, self._deletion = accounts, one_time, mailer, audit, deletion

    async def handle(self, event: Event) -> None:
        """Carry out one event; safe to repeat: a mail has the event's id as its key, so that it is sent once."""
        match event["kind"]:
            case "forgot_password":
                await self._forgot_password(event)
            case "verify_email":
                await self._verify_email(event)
            case "registration":
                await self._registration(event)
            case "new_device":
                await self._new_device(event)
            case "user_data_removed":
                await self._deletion.answered(str(event["user_id"]), str(event["service"]), int(event["round"] or 0))
            case _:
                raise unknown("auth", event)

    async def _new_device(self, event: Event) -> None:
        """An account has been signed in to from a device that it had not seen: its owner may be surprised."""
        user = await self._accounts.get(str(event["user_id"]))
        if user is None:
            return
        device, address, at = (str(event[name]) for name in ("device", "address", "at"))
        await self._audit.record("new_device", user_id=user.id, session_id=event["session_id"], device=device, address=address)
        values = {"device": device, "address": address, "time": at}
        await self._mailer.send(Mail(user.email, "new_device", values, name=user.greeting, key=f"new_device:{event['session_id']}"))

    async def _forgot_password(self, event: Event) -> None:
        """A link for the account of this address, if there is one that signs in here."""
        user = await self._accounts.find(str(event["email"]))
        if user is None or user.disabled:
            return
        token = await self._one_time.issue(user.id, "reset")
        await self._audit.record("password_reset_requested", user_id=user.id, address=event["address"])
        link = f"{event['links']}/reset-password?token={token}"
        await self._mailer.send(Mail(user.email, "reset_password", {"link": link}, name=user.greeting, key=f"reset:{event['id']}"))

    async def _verify_email(self, event: Event) -> None:
        """A link for an unverified account: the caller's own (``user_id``), or that of an address."""
        own = event.get("user_id")
        user = await self._accounts.get(str(own)) if own else await self._accounts.find(str(event["email"]))
        if user is not None:
            await self._mail_verification(user, event)

    async def _registration(self, event: Event) -> None:
        """Somebody registered while accounts begin with a verified address: the link makes the account, unless there is one.

        The owner of an unverified account gets that account's own link. To the owner of a verified one nothing is news.
        """
        email = str(event["email"])
        user = await self._accounts.find(email)
        if user is not None:
            await self._mail_verification(user, event)
        else:
            await self._mail_link(email, str(event["token"]), event)

    async def _mail_verification(self, user: User, event: Event) -> None:
        if not (user.email_verified or user.disabled or user.provider):
            await self._mail_link(user.email, await self._one_time.issue(user.id, "verify"), event)

    async def _mail_link(self, to: str, token: str, event: Event) -> None:
        link = f"{event['links']}/verify-email?token={token}"
        values = {"link": link, **{name: str(event[name]) for name in ("device", "address") if event.get(name)}}
        await self._mailer.send(Mail(to, "verify_email", values, key=f"verify:{event['id']}"))
