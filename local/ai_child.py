"""The local AI server as a child: what the gateway and chat talk to when no setting names a real model.

It is aimock, a real server of OpenAI's wire format (routes, SSE, tools, embeddings) with answers from local/ai/fixtures: it
understands nothing, and says so. It is not started with ``--strict``, under which an embedding of any text that no fixture
names is 503: without, it is made from the text, the same each time.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .standin import StandIn, serves

_OPENAI = "https://api.openai.com/v1"
_KEY = "local-stand-in"
"""Not a secret: who reaches the loopback address may use it."""
_NAMES_A_MODEL = ("AI_MODELS", "AZURE_OPENAI_ENDPOINT", "OPENAI_API_KEY")
_FOLDER = Path(__file__).parent / "ai"
_JOURNAL = 10
"""Requests that it remembers: a photo is in one, so that its default of 1,000 would be hundreds of megabytes."""


def wants_ai(environ: Mapping[str, str]) -> bool:
    """Whether the gateway or chat run here and nobody has said which models they use."""
    # The example settings spell out the default, which is nobody's without a key.
    named = any(environ.get(name) for name in _NAMES_A_MODEL) or environ.get("OPENAI_BASE_URL", "").rstrip("/") not in ("", _OPENAI)
    return not named and serves(environ, "ai", "chat")


class AiStandIn(StandIn):
    name, slug = "the local AI server", "ai"
    label, remark = "AI", "not a real model; for one, set OPENAI_BASE_URL or AZURE_OPENAI_ENDPOINT"

    @property
    def missing(self) -> str:
        """Why it cannot be started; empty when it can."""
        if shutil.which("node") is None:
            return "Node.js is not on the PATH"
        return "" if self._script.exists() else f"{self._script} is missing: run `npm ci`"

    def command(self, known: Mapping[str, Any], app_port: int) -> Sequence[str]:
        options = ["--host=127.0.0.1", f"--port={known['port']}", f"--fixtures={_FOLDER / 'fixtures'}", "--validate-on-load"]
        # Its warnings quote prompts, which belong in no log.
        return ["node", str(self._script), *options, "--log-level=silent", f"--journal-max={_JOURNAL}"]

    def settings(self, known: Mapping[str, Any]) -> Mapping[str, str]:
        return {
            "AI_MODELS": str(_FOLDER / "models.json"),
            "OPENAI_API_KEY": _KEY,
            "OPENAI_BASE_URL": f"http://127.0.0.1:{known['port']}/v1",
        }

    @property
    def _script(self) -> Path:
        return self._root / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
