"""Auth. Every service verifies its callers with these keys and sessions."""

from functools import cached_property
from typing import TYPE_CHECKING

from .mail import MailParts

if TYPE_CHECKING:
    from shared_code.audit.retention import Retention
    from shared_code.audit.sealer import Sealer
    from shared_code.audit.signatures import JwsSigner
    from shared_code.audit.trail import Trail
    from shared_code.auth.accounts import Accounts
    from shared_code.auth.api_keys import ApiKeys
    from shared_code.auth.directory import Directory
    from shared_code.auth.issuer import Issuer
    from shared_code.auth.key_store import KeyStore
    from shared_code.auth.lockout import Lockout
    from shared_code.auth.mfa import Mfa
    from shared_code.auth.one_time import OneTimeTokens
    from shared_code.auth.purge import AuthPurge
    from shared_code.auth.recovery import Recovery
    from shared_code.auth.registration import Registration
    from shared_code.auth.sessions import Sessions
    from shared_code.auth.sign_in import SignIn
    from shared_code.auth.statistics import UserStatistics
    from shared_code.auth.supabase import Supabase
    from shared_code.auth.tokens import TokenVerifier
    from shared_code.auth.user_index import UserIndex
    from shared_code.quick_limit import QuickLimiter
    from shared_code.rate_limit import RateLimiter


class AuthParts(MailParts):
    @cached_property
    def key_store(self) -> "KeyStore":
        from shared_code.auth.key_store import KeyStore

        return KeyStore(self.settings, self.storage.blobs)

    @cached_property
    def limiter(self) -> "RateLimiter":
        from shared_code.rate_limit import RateLimiter

        return RateLimiter(self.storage.tables, self.clock)

    @cached_property
    def quick_limiter(self) -> "QuickLimiter":
        from shared_code.quick_limit import QuickLimiter

        return QuickLimiter(self.storage.tables, self.clock)

    @cached_property
    def sessions(self) -> "Sessions":
        from shared_code.auth.sessions import Sessions

        return Sessions(self.storage.tables, self.clock, self.notices)

    @cached_property
    def verifier(self) -> "TokenVerifier":
        from shared_code.auth.tokens import TokenVerifier

        return TokenVerifier(self.key_store.verifying, issuer=self.settings.issuer, audience=self.settings.jwt_audience, clock=self.clock)

    @cached_property
    def accounts(self) -> "Accounts":
        from shared_code.auth.accounts import Accounts
        from shared_code.emails import literal

        return Accounts(
            self.storage.tables,
            self.clock,
            admin_emails=frozenset(map(literal, self.settings.admin_emails)),
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
    def user_index(self) -> "UserIndex":
        from shared_code.auth.statistics import FEED
        from shared_code.auth.user_index import UserIndex

        return UserIndex(self.storage.tables, self.changes(FEED))

    @cached_property
    def user_statistics(self) -> "UserStatistics":
        from shared_code.auth.statistics import FEED, UserStatistics

        return UserStatistics(self.storage.tables, self.clock, self.changes(FEED))

    @cached_property
    def directory(self) -> "Directory":
        from shared_code.auth.directory import Directory

        return Directory(
            tables=self.storage.tables,
            clock=self.clock,
            notices=self.notices,
            accounts=self.accounts,
            sessions=self.sessions,
            index=self.user_index,
            audit=self.audit,
            mailer=self.mailer,
            on_changed=self.api_keys.forget,
        )

    @cached_property
    def registration(self) -> "Registration":
        from shared_code.auth.registration import Registration
        from shared_code.rate_limit import Rule

        return Registration(
            tables=self.storage.tables,
            clock=self.clock,
            sessions=self.sessions,
            issuer=self.issuer,
            audit=self.audit,
            events=self.events,
            limiter=self.limiter,
            address_rule=Rule.of(self.settings.auth_register_address),
            index=self.user_index,
        )

    @cached_property
    def one_time(self) -> "OneTimeTokens":
        from shared_code.auth.one_time import OneTimeTokens

        return OneTimeTokens(self.storage.tables, self.clock)

    @cached_property
    def recovery(self) -> "Recovery":
        from shared_code.auth.recovery import Recovery
        from shared_code.rate_limit import Rule

        return Recovery(
            tables=self.storage.tables,
            clock=self.clock,
            notices=self.notices,
            accounts=self.accounts,
            registration=self.registration,
            sessions=self.sessions,
            one_time=self.one_time,
            events=self.events,
            mailer=self.mailer,
            audit=self.audit,
            limiter=self.limiter,
            # Whoever may register so often may ask for as many mails.
            address_rule=Rule.of(self.settings.auth_register_address),
            password_rule=Rule.of(self.settings.auth_lock_account),
        )

    @cached_property
    def sign_in(self) -> "SignIn":
        from shared_code.auth.mfa_logins import MfaLogins
        from shared_code.auth.session_starts import SessionStarts
        from shared_code.auth.sign_in import SignIn

        return SignIn(
            tables=self.storage.tables,
            clock=self.clock,
            accounts=self.accounts,
            sessions=self.sessions,
            starts=SessionStarts(self.storage.tables, self.clock, self.accounts, self.sessions),
            issuer=self.issuer,
            audit=self.audit,
            events=self.events,
            lockout=self.lockout,
            mfa=self.mfa,
            mfa_logins=MfaLogins(self.storage.tables, self.clock),
            require_verified=self.settings.auth_require_verified_email,
        )

    @cached_property
    def lockout(self) -> "Lockout":
        from shared_code.auth.lockout import Lockout
        from shared_code.rate_limit import Rule

        return Lockout(
            tables=self.storage.tables,
            clock=self.clock,
            accounts=self.accounts,
            limiter=self.limiter,
            audit=self.audit,
            account_rule=Rule.of(self.settings.auth_lock_account, locks=True),
            address_rule=Rule.of(self.settings.auth_lock_address, locks=True),
        )

    @cached_property
    def mfa(self) -> "Mfa":
        from shared_code.auth.mfa import Mfa
        from shared_code.auth.secrets_box import SecretsBox, ring_of

        return Mfa(
            tables=self.storage.tables,
            clock=self.clock,
            accounts=self.accounts,
            box=SecretsBox(ring_of(self.settings.auth_data_keys, self.key_store.signing)),
            limiter=self.limiter,
            audit=self.audit,
            mailer=self.mailer,
        )

    @cached_property
    def api_keys(self) -> "ApiKeys":
        from shared_code.auth.api_keys import ApiKeys
        from shared_code.rate_limit import Rule

        return ApiKeys(
            tables=self.storage.tables,
            clock=self.clock,
            notices=self.notices,
            accounts=self.accounts,
            audit=self.audit,
            limiter=self.quick_limiter,
            rate=Rule.of(self.settings.api_key_rate),
        )

    @cached_property
    def supabase(self) -> "Supabase | None":
        """None unless SUPABASE_URL is set."""
        if not self.settings.supabase_url:
            return None
        from shared_code.auth.identities import Identities
        from shared_code.auth.jwks_http import HttpJwks
        from shared_code.auth.remote_keys import RemoteKeys
        from shared_code.auth.supabase import Supabase, SupabaseVerifier

        url = self.settings.supabase_url
        # https://supabase.com/docs/guides/auth/signing-keys
        keys = RemoteKeys("supabase", HttpJwks(f"{url}/auth/v1/.well-known/jwks.json").fetch, self.clock)
        identities = Identities(self.storage.tables, self.clock, self.audit, self.user_index)
        return Supabase(SupabaseVerifier(keys, url=url, clock=self.clock), identities, self.accounts, self.clock, self.notices)

    @cached_property
    def audit_signer(self) -> "JwsSigner":
        from shared_code.audit.signatures import JwsSigner

        # What the storage publishes is trusted only by who has no key of its own.
        own = "auth" in self.settings.services or self.key_store.configured
        return JwsSigner(self.key_store.signing, self.key_store.signing if own else self.key_store.verifying)

    @cached_property
    def audit_sealer(self) -> "Sealer":
        from shared_code.audit.sealer import Sealer

        return Sealer(self.storage.tables, self.clock, self.audit_signer)

    @cached_property
    def audit_trail(self) -> "Trail":
        from shared_code.audit.trail import Trail

        return Trail(self.storage.tables, self.clock)

    @cached_property
    def audit_retention(self) -> "Retention":
        from shared_code.audit.retention import Retention

        return Retention(self.storage.tables, self.clock, self.audit_signer, keep_days=self.settings.audit_retention_days)

    @cached_property
    def auth_purge(self) -> "AuthPurge":
        from shared_code.auth.purge import AuthPurge

        return AuthPurge(self.storage.tables, self.clock, self.user_index)
