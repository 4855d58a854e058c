"""langchain-openai for Python, unmodified."""

import asyncio
import sys

import openai
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings

from suite import API_KEY, BASE_URL, EXPECT, MODEL, Suite, equal, raises, receipt_id, true

suite = Suite("langchain-python")


def model(**options) -> ChatOpenAI:
    return ChatOpenAI(**{"model": MODEL, "base_url": BASE_URL, "api_key": API_KEY, "max_retries": 0, **options})


def gathered(chunks) -> AIMessageChunk:
    """LangChain's own sum of a stream's chunks."""
    chunks = list(chunks)
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    return total


def calls(message) -> list:
    return [{"name": call["name"], "arguments": call["args"]} for call in message.tool_calls]


@suite.case("invoke")
def invoke():
    answer = model().invoke(EXPECT["question"])
    equal(answer.content, EXPECT["answer"], "content")
    equal(answer.response_metadata["finish_reason"], "stop", "finish_reason")
    usage = answer.usage_metadata
    true(usage["input_tokens"] > 0 and usage["output_tokens"] > 0, f"usage: {usage}")


@suite.case("stream")
def stream():
    chunks = list(model().stream(EXPECT["question"]))
    equal("".join(chunk.content for chunk in chunks), EXPECT["answer"], "content")
    true(len([chunk for chunk in chunks if chunk.content]) > 1, "streamed in one piece")
    equal(gathered(chunks).response_metadata["finish_reason"], "stop", "finish_reason")


@suite.case("stream, async")
def stream_async():
    async def ask():
        return [chunk.content async for chunk in model().astream(EXPECT["question"])]

    equal("".join(asyncio.run(ask())), EXPECT["answer"], "content")


@suite.case("usage while streaming")
def usage():
    total = gathered(model(stream_usage=True).stream(EXPECT["question"]))
    whole = model().invoke(EXPECT["question"])
    equal(total.usage_metadata["total_tokens"], whole.usage_metadata["total_tokens"], "total_tokens")


@suite.case("tools, parallel")
def tools():
    answer = model().bind_tools(EXPECT["tools"]).invoke(EXPECT["tool_question"])
    equal(calls(answer), EXPECT["tool_calls"], "calls")
    equal(answer.invalid_tool_calls, [], "invalid calls")


@suite.case("tools, parallel, streamed")
def tools_streamed():
    total = gathered(model().bind_tools(EXPECT["tools"]).stream(EXPECT["tool_question"]))
    equal(calls(total), EXPECT["tool_calls"], "calls")
    equal(total.response_metadata["finish_reason"], "tool_calls", "finish_reason")


@suite.case("tool results go back")
def tool_results():
    bound = model().bind_tools(EXPECT["tools"])
    question = HumanMessage(EXPECT["tool_question"])
    asked = bound.invoke([question])
    results = [ToolMessage(content="42", tool_call_id=call["id"]) for call in asked.tool_calls]
    equal(bound.invoke([question, asked, *results]).content, EXPECT["tool_answer"], "content")


@suite.case("structured output")
def structured():
    bound = model().with_structured_output(EXPECT["schema"], method="json_schema")
    equal(bound.invoke(EXPECT["question"]), EXPECT["structured"], "parsed")


@suite.case("structured output, streamed")
def structured_streamed():
    bound = model().with_structured_output(EXPECT["schema"], method="json_schema")
    equal(list(bound.stream(EXPECT["question"]))[-1], EXPECT["structured"], "parsed")


@suite.case("logprobs")
def logprobs():
    answer = model().bind(logprobs=True, top_logprobs=2).invoke(EXPECT["question"])
    tokens = answer.response_metadata["logprobs"]["content"]
    equal("".join(token["token"] for token in tokens), EXPECT["answer"], "tokens")
    true(all(len(token["top_logprobs"]) == 2 for token in tokens), "top_logprobs")


@suite.case("n = 2")
def two():
    answers = model(n=2).generate([[HumanMessage(EXPECT["question"])]]).generations[0]
    equal(len(answers), 2, "answers")
    true(all(answer.text for answer in answers), "empty answer")


@suite.case("stop")
def stop():
    answer = model().invoke(EXPECT["question"], stop=[EXPECT["stop"]])
    equal(answer.content, EXPECT["stopped_answer"], "content")


@suite.case("completions")
def completions():
    llm = OpenAI(model=MODEL, base_url=BASE_URL, api_key=API_KEY, max_retries=0)
    equal(llm.invoke(EXPECT["question"]), EXPECT["answer"], "text")
    equal("".join(llm.stream(EXPECT["question"])), EXPECT["answer"], "streamed text")


@suite.case("embeddings")
def embeddings():
    # Token counting would download a vocabulary; it is for OpenAI's own models.
    embedder = OpenAIEmbeddings(
        model=EXPECT["embedding_model"], base_url=BASE_URL, api_key=API_KEY, check_embedding_ctx_length=False
    )
    one, two = embedder.embed_documents(["one", "two"])
    true(len(one) > 1 and len(one) == len(two) and one != two, "vectors")


@suite.case("image")
def image():
    content = [
        {"type": "text", "text": EXPECT["image_question"]},
        {"type": "image_url", "image_url": {"url": EXPECT["image"]}},
    ]
    equal(model().invoke([HumanMessage(content)]).content, EXPECT["image_answer"], "content")


@suite.case("error 401")
def unauthorized():
    raises(openai.AuthenticationError, lambda: model(api_key="pm_wrong").invoke("x"))


@suite.case("error 404")
def not_found():
    raises(openai.NotFoundError, lambda: model(model=EXPECT["missing_model"]).invoke("x"))


@suite.case("error 429")
def limited():
    raises(openai.RateLimitError, lambda: model(model=EXPECT["limited_model"]).invoke("x"))


@suite.case("receipt id")
def receipt():
    metadata = model(include_response_headers=True).invoke(EXPECT["question"]).response_metadata
    equal(receipt_id(metadata["id"]), metadata["headers"]["x-proofmark-receipt"], "id")


@suite.case("receipt id, streamed")
def receipt_streamed():
    # A stream's chunks lose `id` in this client: the header is the way.
    total = gathered(model(include_response_headers=True).stream(EXPECT["question"]))
    receipt_id(total.response_metadata["headers"]["x-proofmark-receipt"])


sys.exit(suite.run())
