// @langchain/openai for Node, unmodified.

import assert from "node:assert/strict";
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { API_KEY, BASE_URL, EXPECT, MODEL, Suite, gather, receiptId } from "./suite.mjs";

const suite = new Suite("langchain-node");
const model = (options = {}) =>
  new ChatOpenAI({
    model: MODEL,
    apiKey: API_KEY,
    maxRetries: 0,
    ...options,
    configuration: { baseURL: BASE_URL },
  });
const sum = (chunks) => chunks.reduce((total, chunk) => total.concat(chunk));
const calls = (message) => message.tool_calls.map((call) => ({ name: call.name, arguments: call.args }));

suite.case("invoke", async () => {
  const answer = await model().invoke(EXPECT.question);
  assert.equal(answer.content, EXPECT.answer);
  assert.equal(answer.response_metadata.finish_reason, "stop");
  assert.ok(answer.usage_metadata.input_tokens > 0 && answer.usage_metadata.output_tokens > 0);
});

suite.case("stream", async () => {
  const chunks = await gather(await model().stream(EXPECT.question));
  assert.equal(chunks.map((chunk) => chunk.content).join(""), EXPECT.answer);
  assert.ok(chunks.filter((chunk) => chunk.content).length > 1, "streamed in one piece");
});

suite.case("usage while streaming", async () => {
  const total = sum(await gather(await model({ streamUsage: true }).stream(EXPECT.question)));
  const whole = await model().invoke(EXPECT.question);
  assert.equal(total.usage_metadata.total_tokens, whole.usage_metadata.total_tokens);
});

suite.case("tools, parallel", async () => {
  const answer = await model().bindTools(EXPECT.tools).invoke(EXPECT.tool_question);
  assert.deepEqual(calls(answer), EXPECT.tool_calls);
});

suite.case("tools, parallel, streamed", async () => {
  const chunks = await gather(await model().bindTools(EXPECT.tools).stream(EXPECT.tool_question));
  assert.deepEqual(calls(sum(chunks)), EXPECT.tool_calls);
});

suite.case("tool results go back", async () => {
  const bound = model().bindTools(EXPECT.tools);
  const question = new HumanMessage(EXPECT.tool_question);
  const asked = await bound.invoke([question]);
  const results = asked.tool_calls.map((call) => new ToolMessage({ content: "42", tool_call_id: call.id }));
  assert.equal((await bound.invoke([question, asked, ...results])).content, EXPECT.tool_answer);
});

suite.case("structured output", async () => {
  const bound = model().withStructuredOutput(EXPECT.schema, { name: "mark", method: "jsonSchema" });
  assert.deepEqual(await bound.invoke(EXPECT.question), EXPECT.structured);
});

suite.case("structured output, streamed", async () => {
  const bound = model().withStructuredOutput(EXPECT.schema, { name: "mark", method: "jsonSchema" });
  assert.deepEqual((await gather(await bound.stream(EXPECT.question))).at(-1), EXPECT.structured);
});

suite.case("logprobs", async () => {
  const answer = await model({ logprobs: true, topLogprobs: 2 }).invoke(EXPECT.question);
  const tokens = answer.response_metadata.logprobs.content;
  assert.equal(tokens.map((token) => token.token).join(""), EXPECT.answer);
  assert.ok(tokens.every((token) => token.top_logprobs.length === 2));
});

suite.case("n = 2", async () => {
  const answers = (await model({ n: 2 }).generate([[new HumanMessage(EXPECT.question)]])).generations[0];
  assert.equal(answers.length, 2);
  assert.ok(answers.every((answer) => answer.text));
});

suite.case("stop", async () => {
  const answer = await model().invoke(EXPECT.question, { stop: [EXPECT.stop] });
  assert.equal(answer.content, EXPECT.stopped_answer);
});

suite.case("embeddings", async () => {
  const embedder = new OpenAIEmbeddings({
    model: EXPECT.embedding_model,
    apiKey: API_KEY,
    maxRetries: 0,
    configuration: { baseURL: BASE_URL },
  });
  const [one, two] = await embedder.embedDocuments(["one", "two"]);
  assert.ok(one.length > 1 && one.length === two.length);
  assert.notDeepEqual(one, two);
});

suite.case("image", async () => {
  const content = [
    { type: "text", text: EXPECT.image_question },
    { type: "image_url", image_url: { url: EXPECT.image } },
  ];
  const answer = await model().invoke([new HumanMessage({ content })]);
  assert.equal(answer.content, EXPECT.image_answer);
});

for (const [status, options] of [
  [401, { apiKey: "pm_wrong" }],
  [404, { model: EXPECT.missing_model }],
  [429, { model: EXPECT.limited_model }],
]) {
  suite.case(`error ${status}`, async () => {
    await assert.rejects(model(options).invoke("x"), (error) => {
      assert.equal(error.status, status, String(error));
      return true;
    });
  });
}

suite.case("receipt id", async () => {
  const answer = await model().invoke(EXPECT.question);
  receiptId(answer.id);
  assert.match(answer.id, /^chatcmpl-/);
});

suite.case("receipt id, streamed", async () => {
  const chunks = await gather(await model().stream(EXPECT.question));
  const ids = new Set(chunks.map((chunk) => chunk.id).filter(Boolean));
  assert.equal(ids.size, 1);
  receiptId([...ids][0]);
});

await suite.run();
