"""What the AI gateway adds to a model's answer: time to the first streamed text, streams a second, memory; beside LiteLLM's proxy.

    python bench/ai_latency.py [seconds per round]

The model is aimock, asked directly, through the app (an API key, a budget, usage recorded) and through LiteLLM, in rounds that
alternate. Added latency is the difference of the percentiles of two neighbouring rounds. Without LiteLLM's environment
(bench/README.md) it is left out, and so are the ratios.
"""

import asyncio
import sys

import litellm_proxy
from ai_load import Target, at_rate, flood, percentile, together
from support import AzuriteHandle, Server, Setup, banner, call, median, paired, register, spread, table, verdict

from tests.aiserver import AiServer, start_aiserver, text

ROUNDS = 4
RATE = 30
"""Streams a second."""
AT_ONCE = 16
OPEN = 200
USERS = 4
ANSWER = "A model answers in small pieces, one frame for each, and the gateway passes them on. " * 3
GOAL_P95 = 8.0
"""Milliseconds that may be added (SPEC, section 6)."""
GOAL_LATENCY = 0.7
"""Of LiteLLM's added latency, at most."""
GOAL_MEMORY = 0.4


def serve_answers(setup: Setup) -> AiServer:
    server = start_aiserver(
        text("quick", ANSWER, tick=10),  # 13 frames in 130 ms
        text("flood", ANSWER),
        text("slow", ANSWER * 2, tick=200),  # 26 frames in 5 s
    )
    setup.callback(server.stop)
    return server


def start_app(setup: Setup, model: AiServer, azurite: AzuriteHandle, **settings: str) -> tuple[Server, Target]:
    """The app with the gateway and accounts alone, and API keys of USERS users, each with a budget."""
    settings = {"SERVICES": "auth,ai", "AI_DEFAULT_BUDGET_USD": "1000", "API_KEY_RATE": "off", "AUTH_REGISTER_ADDRESS": "off"} | settings
    app = setup.app(azurite, **settings, **model.settings())
    body = b'{"name": "bench", "scopes": ["ai"]}'
    keys = [call(f"{app.url}/api/auth/keys", token, body)["key"] for token in register(app, USERS)]
    return app, Target("Lydian", f"{app.url}/api/ai/v1/chat/completions", keys)


def memory_of_streams(server: Server, target: Target) -> tuple[float, float]:
    """MiB resident before, and at most while OPEN streams are open."""
    idle = server.rss()
    with server.peak() as peak:
        asyncio.run(together(target, OPEN, "slow"))
        return idle / 2**20, peak() / 2**20


def main(seconds: float) -> None:
    banner("The AI gateway beside the model alone" + (f" and LiteLLM {litellm_proxy.version()}" if litellm_proxy.installed() else ""))
    with Setup() as setup:
        model = serve_answers(setup)
        servers: list[tuple[Server, Target]] = [start_app(setup, model, setup.azurite())]
        if litellm_proxy.installed():
            server = litellm_proxy.start(setup, model.base_url, "local-large")
            servers.append((server, Target("LiteLLM", f"{server.url}/v1/chat/completions", [litellm_proxy.KEY])))
        direct = Target("the model alone", f"{model.base_url}/chat/completions", ["test-stand-in"])
        targets = [direct, *(target for _, target in servers)]
        for target in targets:  # imports and connections are no part of it
            asyncio.run(at_rate(target, RATE, 2, "quick"))
        p50, p95, rates = ({target.name: list[float]() for target in targets} for _ in range(3))
        cpu = {target.name: list[float]() for _, target in servers}
        for _ in range(ROUNDS):
            for target in targets:
                times = asyncio.run(at_rate(target, RATE, seconds, "quick"))
                p50[target.name].append(percentile(times, 50))
                p95[target.name].append(percentile(times, 95))
            for target in targets:
                asked = next((server for server, other in servers if other is target), None)
                before = asked.cpu() if asked else 0.0
                rates[target.name].append(asyncio.run(flood(target, AT_ONCE, seconds / 2, "flood")))
                if asked:
                    cpu[target.name].append((asked.cpu() - before) / (rates[target.name][-1] * seconds / 2) * 1000)
        memory = {target.name: memory_of_streams(server, target) for server, target in servers}
    report(p50, p95, rates, cpu, memory)


def added(of: dict[str, list[float]], name: str) -> list[float]:
    return [through - alone for through, alone in zip(of[name], of["the model alone"], strict=True)]


def report(
    p50: dict[str, list[float]],
    p95: dict[str, list[float]],
    rates: dict[str, list[float]],
    cpu: dict[str, list[float]],
    memory: dict[str, tuple[float, float]],
) -> None:
    names = list(memory)
    rows = [
        (f"first text at {RATE}/s, p50, ms", *(spread(values, 1) for values in p50.values())),
        (f"first text at {RATE}/s, p95, ms", *(spread(values, 1) for values in p95.values())),
        ("added, p50, ms", "", *(spread(added(p50, name), 1) for name in names)),
        ("added, p95, ms", "", *(spread(added(p95, name), 1) for name in names)),
        (f"streams/s, {AT_ONCE} at a time", *(spread(values, 0) for values in rates.values())),
        ("server's CPU of a stream, ms", "", *(spread(cpu[name], 2) for name in names)),
        ("MiB after the load", "", *(f"{memory[name][0]:.0f}" for name in names)),
        (f"MiB at most with {OPEN} open streams", "", *(f"{memory[name][1]:.0f}" for name in names)),
    ]
    table(("", *p50), rows)
    verdict(f"{GOAL_P95:.0f} ms / added p95", GOAL_P95 / median(added(p95, "Lydian")), 1.0)
    if "LiteLLM" in names:
        for label, of in (("p50", p50), ("p95", p95)):
            ratio = median(added(of, "Lydian")) / median(added(of, "LiteLLM"))
            verdict(f"added {label}: allowed / ours beside LiteLLM's", GOAL_LATENCY / ratio, 1.0)
        verdict("streams/s beside LiteLLM", paired(rates["Lydian"], rates["LiteLLM"]), 1.0)
        for label, index in (("after the load", 0), (f"with {OPEN} streams", 1)):
            ratio = memory["Lydian"][index] / memory["LiteLLM"][index]
            verdict(f"memory {label}: allowed / ours beside LiteLLM's", GOAL_MEMORY / ratio, 1.0)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 6)
