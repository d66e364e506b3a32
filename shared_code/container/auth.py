"""Auth. Every service verifies its callers with these keys and sessions."""

from functools import cached_property
from typing import TYPE_CHECKING

from .mail import MailParts

if TYPE_CHECKING:
    from shared_code.auth.accounts import Accounts
    from shared_code.auth.events import AuthEvents
    from shared_code.auth.issuer import Issuer
    from shared_code.auth.key_store import KeyStore
    from shared_code.auth.purge import AuthPurge
    from shared_code.auth.registration import Registration
    from shared_code.auth.sessions import Sessions
    from shared_code.auth.sign_in import SignIn
    from shared_code.auth.tokens import TokenVerifier


class AuthParts(MailParts):
    @cached_property
    def key_store(self) -> "KeyStore":
        from shared_code.auth.key_store import KeyStore

        return KeyStore(self.settings, self.storage.blobs)

    @cached_property
    def sessions(self) -> "Sessions":
        from shared_code.auth.sessions import Sessions

        return Sessions(self.storage.tables, self.clock)

    @cached_property
    def verifier(self) -> "TokenVerifier":
        from shared_code.auth.tokens import TokenVerifier

        return TokenVerifier(self.key_store.verifying, issuer=self.settings.issuer, audience=self.settings.jwt_audience, clock=self.clock)

    @cached_property
    def accounts(self) -> "Accounts":
        from shared_code.auth.accounts import Accounts
        from shared_code.auth.emails import normalise

        return Accounts(
            self.storage.tables,
            self.clock,
            admin_emails=frozenset(map(normalise, self.settings.admin_emails)),
            trust_admin_emails=self.settings.environment == "local",
        )

    @cached_property
    def issuer(self) -> "Issuer":
        from shared_code.auth.issuer import Issuer

        return Issuer(
            self.key_store.signing,
            self.accounts.role_of,
            issuer=self.settings.issuer,
            audience=self.settings.jwt_audience,
            clock=self.clock,
        )

    @cached_property
    def registration(self) -> "Registration":
        from shared_code.auth.registration import Registration

        return Registration(tables=self.storage.tables, clock=self.clock, sessions=self.sessions, issuer=self.issuer, audit=self.audit)

    @cached_property
    def sign_in(self) -> "SignIn":
        from shared_code.auth.sign_in import SignIn

        return SignIn(
            tables=self.storage.tables,
            clock=self.clock,
            accounts=self.accounts,
            sessions=self.sessions,
            issuer=self.issuer,
            audit=self.audit,
        )

    @cached_property
    def auth_events(self) -> "AuthEvents":
        from shared_code.auth.events import AuthEvents

        return AuthEvents()

    @cached_property
    def auth_purge(self) -> "AuthPurge":
        from shared_code.auth.purge import AuthPurge

        return AuthPurge(self.storage.tables, self.clock)
