"""The worst case is no less than what any byte-level BPE tokenizer makes of a body, and the likely one no more than the worst."""

import json
import random
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from shared_code.ai.estimate import estimated_usage, worst_case
from shared_code.ai.models import Price, Usage
from shared_code.ai.money import cost, worst_cost
from shared_code.ai.reported import reported
from tests.unit.ai.meters import MODEL

BIG = replace(MODEL, context_window=10**9)

texts = st.text(max_size=60)
parts = st.one_of(
    texts,
    st.lists(
        st.one_of(
            st.fixed_dictionaries({"type": st.just("text"), "text": texts}),
            st.fixed_dictionaries({"type": st.just("image_url"), "image_url": st.fixed_dictionaries({"url": texts})}),
            st.fixed_dictionaries({"type": st.just("input_image"), "image_url": texts}),
        ),
        max_size=3,
    ),
)
messages = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": parts}, optional={"name": texts}),
    max_size=5,
)
tools = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.just("function"),
            "function": st.fixed_dictionaries(
                {"name": texts, "description": texts, "parameters": st.dictionaries(texts, texts, max_size=3)}
            ),
        }
    ),
    max_size=3,
)
bodies = st.one_of(
    st.fixed_dictionaries({"messages": messages}, optional={"tools": tools}),
    st.fixed_dictionaries({"input": st.one_of(texts, messages)}, optional={"instructions": texts, "tools": tools}),
)


def bpe(text: str, chance: random.Random) -> int:
    """Tokens of some byte-level BPE: neighbours are merged, at random, from single bytes on."""
    pieces = [bytes([byte]) for byte in text.encode("utf-8", "replace")]
    for _ in range(chance.randrange(0, len(pieces) + 1)):
        if len(pieces) < 2:
            break
        at = chance.randrange(len(pieces) - 1)
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
    return len(pieces)


def framed(body: dict[str, Any], chance: random.Random) -> int:
    """As OpenAI's cookbook counts: each message's text and 3 or 4 more, tools with a dozen for each of their parts, 3 for the answer."""
    total = 3 + bpe(body.get("instructions", ""), chance)
    entries = body.get("messages", body.get("input", []))
    for each in [{"content": entries}] if isinstance(entries, str) else entries:
        total += 4 + bpe(each.get("role", ""), chance) + bpe(each.get("name", ""), chance)
        content = each["content"]
        for part in [{"text": content}] if isinstance(content, str) else content:
            total += 1_445 if "image_url" in part else bpe(part["text"], chance)  # 8 tiles of 512 x 512 and 85
    for tool in body.get("tools", []):
        function = tool["function"]
        total += 12 + bpe(function["name"], chance) + bpe(function["description"], chance)
        total += sum(3 + bpe(name, chance) + bpe(text, chance) for name, text in function["parameters"].items())
    return total


@settings(max_examples=150, deadline=None)
@given(bodies, st.integers(0, 10**6))
def test_worst_case_covers_every_byte_level_bpe(body: dict[str, Any], seed: int) -> None:
    worst = worst_case(body, BIG)
    assert worst.input_tokens >= framed(body, random.Random(seed))
    likely = estimated_usage(body, BIG, "an answer", pieces=2)
    assert likely.estimated
    assert likely.input_tokens <= worst.input_tokens
    assert likely.output_tokens <= worst.output_tokens


@pytest.mark.parametrize(
    ("body", "output"),
    [
        ({}, 16_384),
        ({"max_tokens": 100}, 100),
        ({"max_completion_tokens": 100, "max_tokens": 7}, 100),
        ({"max_tokens": 10**9}, 16_384),
        ({"max_tokens": -5}, 16_384),
        ({"max_tokens": True}, 16_384),
        ({"max_tokens": "5"}, 16_384),
        ({"max_tokens": 100, "n": 4}, 400),
        ({"max_tokens": 100, "n": 2.5}, 300),
        ({"max_tokens": 1, "n": 10**9}, 128),
        ({"max_output_tokens": 5}, 16_384),  # not of this API: an upstream may pass over it
        ({"max_tokens": 5, "input": "x"}, 16_384),  # nor this of the other
    ],
)
def test_output(body: dict[str, Any], output: int) -> None:
    assert worst_case({"messages": [], **body}, MODEL).output_tokens == output


def test_responses_and_embeddings() -> None:
    assert worst_case({"input": "hello", "max_output_tokens": 5}, MODEL).output_tokens == 5
    embedding = replace(MODEL, kind="embedding", context_window=100)
    assert worst_case({"input": "hello"}, embedding) == Usage(6)
    assert worst_case({"input": ["hello", "x" * 1_000]}, embedding) == Usage(200)  # a window for each
    assert worst_case({"input": [1, 2, 3]}, embedding) == Usage(3)
    assert worst_case({"input": [[1, 2, 3], [4]]}, embedding) == Usage(4)
    assert worst_case({"input": {"odd": 1}}, embedding).output_tokens == 0
    assert estimated_usage({"input": "hello world!"}, embedding, 0) == Usage(4, estimated=True)


def test_images_are_not_read_as_text() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 500_000}}
    body = {"messages": [{"role": "user", "content": [image]}], "max_tokens": 1}
    assert 3_800 <= worst_case(body, MODEL).input_tokens < 4_200
    assert worst_case(body, replace(MODEL, name="gpt-4o-mini")).input_tokens > 48_000
    assert estimated_usage(body, MODEL, "").input_tokens < 1_000


def test_a_window_is_the_most() -> None:
    body = {"messages": [{"role": "user", "content": "x" * 10**6}]}
    assert worst_case(body, MODEL).input_tokens == MODEL.context_window


def test_a_prediction_is_billed_as_output() -> None:
    body = {"messages": [], "max_tokens": 10, "prediction": {"type": "content", "content": "y" * 100}}
    assert worst_case(body, MODEL).output_tokens >= 110


prices = st.builds(Price, *(st.integers(0, 10**9) for _ in range(3)))
counts = st.integers(0, 10**6)


@given(prices, counts, counts, counts, st.tuples(counts, counts, counts))
def test_costs_round_up_once_and_never_below_what_was_held(
    price: Price, inputs: int, cached: int, outputs: int, less: tuple[int, int, int]
) -> None:
    usage = Usage(inputs, min(cached, inputs), outputs)
    exact = (usage.input_tokens - usage.cached_tokens) * price.input + usage.cached_tokens * price.cached_input + outputs * price.output
    micro = cost(price, usage)
    assert 0 <= micro * 10**6 - exact < 10**6
    smaller_input = max(0, inputs - less[0])
    smaller = Usage(smaller_input, min(less[1], smaller_input), max(0, outputs - less[2]))
    assert cost(price, smaller) <= worst_cost(price, Usage(inputs, 0, outputs))


def test_likely_sizes() -> None:
    body = json.loads('{"messages": [{"role": "user", "content": "Hello there, how are you?"}]}')
    assert estimated_usage(body, MODEL, 40).output_tokens == 10
    assert estimated_usage(body, MODEL, 40, pieces=25).output_tokens == 25
    assert estimated_usage(body, MODEL, "", pieces=3).output_tokens == 0
    assert 5 <= estimated_usage(body, MODEL, "").input_tokens <= 40


@pytest.mark.parametrize(
    ("usage", "found"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}, Usage(10, 0, 5)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40}, Usage(10, 0, 30)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 3}, Usage(10, 0, 5)),
        ({"prompt_tokens": 10, "total_tokens": 10}, Usage(10)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, None),
        ({"input_tokens": 9, "output_tokens": 2, "total_tokens": "11", "input_tokens_details": {"cached_tokens": 4}}, Usage(9, 4, 2)),
    ],
)
def test_what_a_model_thought_is_output_also_where_only_the_total_has_it(usage: dict[str, Any], found: Usage | None) -> None:
    assert reported({"usage": usage}) == found
