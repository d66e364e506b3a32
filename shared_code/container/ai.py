"""The AI gateway."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from shared_code.errors import NotConfigured
from shared_code.settings import SettingsError

from .metering import MeteringParts

if TYPE_CHECKING:
    from shared_code.ai.catalogue import Catalogue
    from shared_code.ai.directory import Directory
    from shared_code.ai.models import Model
    from shared_code.ai.ports import Upstream
    from shared_code.ai.service import Gateway

_COGNITIVE = "https://cognitiveservices.azure.com/.default"


class AiParts(MeteringParts):
    @cached_property
    def ai_catalogue(self) -> "Catalogue":
        """Raises SettingsError, naming the entry, when AI_MODELS cannot be used: an app does not start with it."""
        from shared_code.ai.catalogue import Providers, read

        settings = self.settings
        providers = Providers(
            settings.azure_openai_endpoint,
            settings.azure_openai_deployment,
            settings.openai_base_url,
            bool(settings.openai_api_key),
            frozenset(self._named_keys),
        )
        text = settings.ai_models.strip()
        try:
            if text and not text.startswith(("[", "{")):
                text = Path(text).read_text(encoding="utf-8")
            return read(text, providers)
        except OSError as error:
            raise SettingsError(f"AI_MODELS names a file that cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise SettingsError(f"AI_MODELS {error}") from None

    def check_settings(self) -> None:
        super().check_settings()
        if self.settings.ai_models or self.settings.azure_openai_deployment:
            _ = self.ai_configured

    @property
    def ai_configured(self) -> bool:
        return bool({"ai", "chat"} & set(self.settings.services)) and bool(self.ai_catalogue)

    @cached_property
    def ai_upstream(self) -> "Upstream":
        from shared_code.ai.upstream import Keys, OpenAIUpstream

        settings = self.settings
        keys = Keys(
            settings.openai_base_url,
            settings.openai_api_key,
            settings.azure_openai_endpoint,
            settings.azure_openai_api_key,
            self._named_keys,
        )
        return OpenAIUpstream(keys, self.azure_token)

    @cached_property
    def ai_directory(self) -> "Directory":
        """Raises NotConfigured without any model; so does all that is built on it."""
        from shared_code.ai.directory import Directory

        if not self.ai_configured:
            message = "No model is configured here: AI_MODELS, AZURE_OPENAI_ENDPOINT with AZURE_OPENAI_DEPLOYMENT, or OPENAI_API_KEY."
            raise NotConfigured(message, code="ai_not_configured")
        return Directory(self.ai_catalogue, self.storage.tables, self.clock, self.notices, self.ai_upstream)

    @cached_property
    def ai(self) -> "Gateway":
        from shared_code.ai.attempts import Attempts
        from shared_code.ai.breaker import Breakers
        from shared_code.ai.service import Gateway

        directory = self.ai_directory
        breakers = Breakers(lambda: asyncio.get_running_loop().time())
        return Gateway(directory, Attempts(self.ai_upstream, breakers), self.meter)

    @cached_property
    def azure_token(self) -> Callable[[], Awaitable[str]]:
        """Tokens of the managed identity for Azure's AI services; kept by the credential until they are about to expire."""
        provider: Callable[[], Awaitable[str]] | None = None

        def make() -> Callable[[], Awaitable[str]]:
            from azure.identity.aio import ManagedIdentityCredential, get_bearer_token_provider

            credential = ManagedIdentityCredential(client_id=self.settings.managed_identity_client_id or None)
            return get_bearer_token_provider(credential, _COGNITIVE)

        async def token() -> str:
            nonlocal provider
            if provider is None:
                provider = make()
            return await provider()

        return token

    def ai_endpoints(self) -> "dict[str, Model]":
        """One model of each endpoint that is configured, by the name that health checks give it; none of an app without AI."""
        from shared_code.ai.catalogue import discovered

        if not {"ai", "chat"} & set(self.settings.services):
            return {}
        catalogue = self.ai_catalogue
        models = list(catalogue.models) or ([discovered("", catalogue.open_at)] if catalogue.open_at else [])
        found = {model.base_url: model for model in reversed(models)}
        names = {model.base_url: model.name for model in found.values()}
        return {f"ai:{names[url]}" if len(found) > 1 else "ai": model for url, model in sorted(found.items())}

    @property
    def _named_keys(self) -> dict[str, str]:
        return dict(part.split("=", 1) for part in self.settings.ai_api_keys)
