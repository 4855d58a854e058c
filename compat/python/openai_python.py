"""openai-python, unmodified."""

import asyncio
import json
import sys

import openai
import pydantic

from suite import API_KEY, BASE_URL, EXPECT, MODEL, Suite, equal, raises, receipt_id, true

suite = Suite("openai-python")
client = openai.OpenAI(base_url=BASE_URL, api_key=API_KEY, max_retries=0, timeout=30)
question = [{"role": "user", "content": EXPECT["question"]}]
tool_question = [{"role": "user", "content": EXPECT["tool_question"]}]


def calls(tool_calls) -> list:
    """Name and parsed arguments of each call; ids have to be present and distinct."""
    ids = [call.id for call in tool_calls]
    true(all(ids) and len(set(ids)) == len(ids), f"tool call ids: {ids}")
    return [
        {"name": call.function.name, "arguments": json.loads(call.function.arguments)} for call in tool_calls
    ]


@suite.case("chat")
def chat():
    answer = client.chat.completions.create(model=MODEL, messages=question)
    equal(answer.choices[0].message.content, EXPECT["answer"], "content")
    equal(answer.choices[0].message.role, "assistant", "role")
    equal(answer.choices[0].finish_reason, "stop", "finish_reason")
    equal(answer.object, "chat.completion", "object")
    equal(answer.model, MODEL, "model")
    true(answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0, f"usage: {answer.usage}")
    equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens, "total")


@suite.case("chat, async")
def chat_async():
    async def ask():
        async with openai.AsyncOpenAI(base_url=BASE_URL, api_key=API_KEY, max_retries=0) as asking:
            stream = await asking.chat.completions.create(model=MODEL, messages=question, stream=True)
            return [chunk.choices[0].delta.content or "" async for chunk in stream]

    equal("".join(asyncio.run(ask())), EXPECT["answer"], "content")


@suite.case("stream, naive loop")
def stream():
    parts, reasons = [], []
    for chunk in client.chat.completions.create(model=MODEL, messages=question, stream=True):
        parts.append(chunk.choices[0].delta.content or "")
        reasons.append(chunk.choices[0].finish_reason)
        equal(chunk.object, "chat.completion.chunk", "object")
    equal("".join(parts), EXPECT["answer"], "content")
    true(len([part for part in parts if part]) > 1, f"streamed in one piece: {parts}")
    equal(reasons, [None] * (len(reasons) - 1) + ["stop"], "finish reasons")


@suite.case("stream, helper")
def stream_helper():
    with client.chat.completions.stream(model=MODEL, messages=question) as events:
        deltas = [event.delta for event in events if event.type == "content.delta"]
        final = events.get_final_completion()
    equal("".join(deltas), EXPECT["answer"], "deltas")
    equal(final.choices[0].message.content, EXPECT["answer"], "final")
    equal(final.choices[0].finish_reason, "stop", "finish_reason")


@suite.case("tools, parallel")
def tools():
    answer = client.chat.completions.create(
        model=MODEL, messages=tool_question, tools=EXPECT["tools"], parallel_tool_calls=True
    )
    equal(answer.choices[0].finish_reason, "tool_calls", "finish_reason")
    equal(calls(answer.choices[0].message.tool_calls), EXPECT["tool_calls"], "calls")


@suite.case("tools, parallel, streamed")
def tools_streamed():
    gathered, reason, pieces = {}, None, 0
    for chunk in client.chat.completions.create(
        model=MODEL, messages=tool_question, tools=EXPECT["tools"], stream=True
    ):
        reason = chunk.choices[0].finish_reason or reason
        for delta in chunk.choices[0].delta.tool_calls or []:
            call = gathered.setdefault(delta.index, {"id": "", "name": "", "arguments": ""})
            call["id"] += delta.id or ""
            call["name"] += delta.function.name or ""
            call["arguments"] += delta.function.arguments or ""
            pieces += 1
    equal(reason, "tool_calls", "finish_reason")
    got = [
        {"name": call["name"], "arguments": json.loads(call["arguments"])} for _, call in sorted(gathered.items())
    ]
    equal(got, EXPECT["tool_calls"], "calls")
    true(pieces > len(got), "arguments came in one piece")


@suite.case("tools, parallel, stream helper")
def tools_stream_helper():
    with client.chat.completions.stream(model=MODEL, messages=tool_question, tools=EXPECT["tools"]) as events:
        for _ in events:
            pass
        final = events.get_final_completion()
    equal(calls(final.choices[0].message.tool_calls), EXPECT["tool_calls"], "calls")


@suite.case("tool results go back")
def tool_results():
    asked = client.chat.completions.create(model=MODEL, messages=tool_question, tools=EXPECT["tools"])
    message = asked.choices[0].message
    results = [{"role": "tool", "tool_call_id": call.id, "content": "42"} for call in message.tool_calls]
    answer = client.chat.completions.create(
        model=MODEL, messages=[*tool_question, message, *results], tools=EXPECT["tools"]
    )
    equal(answer.choices[0].finish_reason, "stop", "finish_reason")
    equal(answer.choices[0].message.content, EXPECT["tool_answer"], "content")


class Mark(pydantic.BaseModel):
    """The schema of expect.json."""

    name: str
    year: int


@suite.case("structured output")
def structured():
    answer = client.chat.completions.parse(model=MODEL, messages=question, response_format=Mark)
    equal(answer.choices[0].message.parsed, Mark(**EXPECT["structured"]), "parsed")


@suite.case("structured output, streamed")
def structured_streamed():
    with client.chat.completions.stream(model=MODEL, messages=question, response_format=Mark) as events:
        for _ in events:
            pass
        final = events.get_final_completion()
    equal(final.choices[0].message.parsed, Mark(**EXPECT["structured"]), "parsed")


@suite.case("logprobs")
def logprobs():
    answer = client.chat.completions.create(model=MODEL, messages=question, logprobs=True, top_logprobs=2)
    tokens = answer.choices[0].logprobs.content
    equal("".join(token.token for token in tokens), EXPECT["answer"], "tokens")
    true(all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in tokens), "top_logprobs")


@suite.case("n = 2")
def two():
    answer = client.chat.completions.create(model=MODEL, messages=question, n=2)
    equal([choice.index for choice in answer.choices], [0, 1], "indices")
    true(all(choice.message.content for choice in answer.choices), "empty choice")


@suite.case("n = 2, streamed")
def two_streamed():
    whole = client.chat.completions.create(model=MODEL, messages=question, n=2)
    texts = {0: "", 1: ""}
    for chunk in client.chat.completions.create(model=MODEL, messages=question, n=2, stream=True):
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    equal([texts[0], texts[1]], [choice.message.content for choice in whole.choices], "texts")


@suite.case("stop")
def stop():
    answer = client.chat.completions.create(model=MODEL, messages=question, stop=[EXPECT["stop"]])
    equal(answer.choices[0].message.content, EXPECT["stopped_answer"], "content")
    equal(answer.choices[0].finish_reason, "stop", "finish_reason")


@suite.case("max_completion_tokens")
def length():
    answer = client.chat.completions.create(model=MODEL, messages=question, max_completion_tokens=2)
    content = answer.choices[0].message.content
    equal(answer.choices[0].finish_reason, "length", "finish_reason")
    true(content and EXPECT["answer"].startswith(content) and content != EXPECT["answer"], f"content: {content!r}")


@suite.case("usage while streaming")
def usage():
    chunks = list(
        client.chat.completions.create(
            model=MODEL, messages=question, stream=True, stream_options={"include_usage": True}
        )
    )
    equal([chunk.usage for chunk in chunks[:-1]], [None] * (len(chunks) - 1), "usage before the end")
    equal(chunks[-1].choices, [], "choices of the last chunk")
    whole = client.chat.completions.create(model=MODEL, messages=question)
    equal(chunks[-1].usage.total_tokens, whole.usage.total_tokens, "total_tokens")


@suite.case("completions")
def completions():
    answer = client.completions.create(model=MODEL, prompt=EXPECT["question"])
    equal(answer.choices[0].text, EXPECT["answer"], "text")
    equal(answer.object, "text_completion", "object")


@suite.case("completions, streamed")
def completions_streamed():
    chunks = client.completions.create(model=MODEL, prompt=EXPECT["question"], stream=True)
    equal("".join(chunk.choices[0].text for chunk in chunks), EXPECT["answer"], "text")


@suite.case("embeddings")
def embeddings():
    # This client asks for base64 by itself, and decodes it.
    compact = client.embeddings.create(model=EXPECT["embedding_model"], input=["one", "two"])
    plain = client.embeddings.create(model=EXPECT["embedding_model"], input=["one", "two"], encoding_format="float")
    equal([item.index for item in compact.data], [0, 1], "indices")
    true(len(compact.data[0].embedding) > 1, "dimensions")
    true(compact.data[0].embedding != compact.data[1].embedding, "equal vectors for different texts")
    for short, long in zip(compact.data, plain.data, strict=True):
        true(
            all(abs(a - b) < 1e-6 for a, b in zip(short.embedding, long.embedding, strict=True)),
            "base64 and float differ",
        )


@suite.case("models")
def models():
    ids = [model.id for model in client.models.list()]
    true(MODEL in ids, f"{MODEL} is not in {ids}")
    equal(client.models.retrieve(MODEL).id, MODEL, "id")


@suite.case("image")
def image():
    content = [
        {"type": "text", "text": EXPECT["image_question"]},
        {"type": "image_url", "image_url": {"url": EXPECT["image"]}},
    ]
    answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": content}])
    equal(answer.choices[0].message.content, EXPECT["image_answer"], "content")


@suite.case("error 401")
def unauthorized():
    stranger = client.with_options(api_key="pm-not-a-key")
    error = raises(
        openai.AuthenticationError, lambda: stranger.chat.completions.create(model=MODEL, messages=question)
    )
    equal(error.code, "invalid_api_key", "code")


@suite.case("error 404")
def not_found():
    error = raises(
        openai.NotFoundError,
        lambda: client.chat.completions.create(model=EXPECT["missing_model"], messages=question),
    )
    equal(error.code, "model_not_found", "code")


@suite.case("error 429")
def limited():
    error = raises(
        openai.RateLimitError,
        lambda: client.chat.completions.create(model=EXPECT["limited_model"], messages=question),
    )
    true(int(error.response.headers["retry-after"]) > 0, "retry-after")


@suite.case("error 400")
def refused():
    error = raises(
        openai.BadRequestError,
        lambda: client.chat.completions.create(model=MODEL, messages=question, extra_body={"temperature": "hot"}),
    )
    equal(error.param, "temperature", "param")


@suite.case("receipt id")
def receipt():
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=question)
    answer = raw.parse()
    named = raw.headers["x-proofmark-receipt"]
    equal(answer.id, f"chatcmpl-{receipt_id(named)}", "id")
    equal(answer.model_extra["proofmark"]["id"], named, "proofmark.id")
    equal(answer.model_extra["proofmark"]["url"], f"/v1/receipts/{named}", "proofmark.url")


@suite.case("receipt id, streamed")
def receipt_streamed():
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=question, stream=True)
    named = raw.headers["x-proofmark-receipt"]
    carriers = []
    for chunk in raw.parse():
        equal(chunk.id, f"chatcmpl-{receipt_id(named)}", "id")
        extra = (chunk.model_extra or {}).get("proofmark")
        carriers.append((chunk.choices[0].finish_reason, extra["id"] if extra else None))
    expected = [(None, None)] * (len(carriers) - 1) + [("stop", named)]
    equal(carriers, expected, "the finish chunk alone carries the receipt id")


@suite.case("receipt id, stream helper")
def receipt_stream_helper():
    with client.chat.completions.stream(model=MODEL, messages=question) as events:
        for _ in events:
            pass
        receipt_id(events.get_final_completion().id)


@suite.case("receipt can be fetched")
def receipt_fetched():
    answer = client.chat.completions.create(model=MODEL, messages=question)
    named = receipt_id(answer.id)
    for name in (named, answer.id):
        raw = client.get(f"/receipts/{name}", cast_to=object, options={"headers": {"accept": "application/json"}})
        true(named in json.dumps(raw), f"the receipt at /receipts/{name} does not name itself")


sys.exit(suite.run())
