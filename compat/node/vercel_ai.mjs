// The Vercel AI SDK (`ai`) with `@ai-sdk/openai-compatible`, unmodified.

import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import {
  APICallError,
  Output,
  embedMany,
  generateText,
  jsonSchema,
  stepCountIs,
  streamText,
  tool,
} from "ai";
import { API_KEY, BASE_URL, EXPECT, MODEL, Suite, gather, receiptId } from "./suite.mjs";

const suite = new Suite("vercel-ai");
const provider = (options = {}) =>
  createOpenAICompatible({
    name: "proofmark",
    baseURL: BASE_URL,
    apiKey: API_KEY,
    includeUsage: true,
    supportsStructuredOutputs: true,
    ...options,
  });
const model = provider()(MODEL);
const prompt = EXPECT.question;
// `generateText` would ask again three times.
const common = { model, maxRetries: 0 };

/** The tools of expect.json; with an answer they are executed, without they are only called. */
const tools = (execute) =>
  Object.fromEntries(
    EXPECT.tools.map(({ function: { name, description, parameters } }) => [
      name,
      tool({ description, inputSchema: jsonSchema(parameters), execute }),
    ]),
  );
const calls = (toolCalls) => toolCalls.map((call) => ({ name: call.toolName, arguments: call.input }));
const mark = Output.object({ schema: jsonSchema(EXPECT.schema), name: "mark" });

suite.case("generateText", async () => {
  const answer = await generateText({ ...common, prompt });
  assert.equal(answer.text, EXPECT.answer);
  assert.equal(answer.finishReason, "stop");
  assert.ok(answer.usage.inputTokens > 0 && answer.usage.outputTokens > 0);
});

suite.case("streamText", async () => {
  const stream = streamText({ ...common, prompt, onError: () => {} });
  const parts = await gather(stream.textStream);
  assert.equal(parts.join(""), EXPECT.answer);
  assert.ok(parts.length > 1, "streamed in one piece");
  assert.equal(await stream.finishReason, "stop");
});

suite.case("usage while streaming", async () => {
  const stream = streamText({ ...common, prompt, onError: () => {} });
  await stream.consumeStream();
  const whole = await generateText({ ...common, prompt });
  assert.equal((await stream.usage).totalTokens, whole.usage.totalTokens);
});

suite.case("tools, parallel", async () => {
  const answer = await generateText({ ...common, prompt: EXPECT.tool_question, tools: tools() });
  assert.equal(answer.finishReason, "tool-calls");
  assert.deepEqual(calls(answer.toolCalls), EXPECT.tool_calls);
});

suite.case("tools, parallel, streamed", async () => {
  const stream = streamText({ ...common, prompt: EXPECT.tool_question, tools: tools(), onError: () => {} });
  const parts = await gather(stream.fullStream);
  assert.deepEqual(parts.filter((part) => part.type === "error"), []);
  assert.ok(parts.filter((part) => part.type === "tool-input-delta").length > EXPECT.tool_calls.length);
  assert.deepEqual(calls(await stream.toolCalls), EXPECT.tool_calls);
});

suite.case("tool loop", async () => {
  const answer = await generateText({
    ...common,
    prompt: EXPECT.tool_question,
    tools: tools(async () => "42"),
    stopWhen: stepCountIs(3),
  });
  assert.equal(answer.steps.length, 2);
  assert.equal(answer.text, EXPECT.tool_answer);
});

suite.case("structured output", async () => {
  const answer = await generateText({ ...common, prompt, output: mark });
  assert.deepEqual(answer.output, EXPECT.structured);
});

suite.case("structured output, streamed", async () => {
  const stream = streamText({ ...common, prompt, output: mark, onError: () => {} });
  const partial = await gather(stream.partialOutputStream);
  assert.deepEqual(partial.at(-1), EXPECT.structured);
});

suite.case("logprobs reach the answer's body", async () => {
  // This client has no option for them; what it is given for the provider goes into the request.
  const answer = await generateText({
    ...common,
    prompt,
    providerOptions: { proofmark: { logprobs: true, top_logprobs: 2 } },
  });
  const tokens = answer.response.body.choices[0].logprobs.content;
  assert.equal(tokens.map((token) => token.token).join(""), EXPECT.answer);
});

suite.case("stop", async () => {
  const answer = await generateText({ ...common, prompt, stopSequences: [EXPECT.stop] });
  assert.equal(answer.text, EXPECT.stopped_answer);
});

suite.case("embedMany", async () => {
  const { embeddings } = await embedMany({
    model: provider().embeddingModel(EXPECT.embedding_model),
    values: ["one", "two"],
    maxRetries: 0,
  });
  assert.equal(embeddings.length, 2);
  assert.ok(embeddings[0].length > 1);
  assert.notDeepEqual(embeddings[0], embeddings[1]);
});

suite.case("image", async () => {
  const content = [
    { type: "text", text: EXPECT.image_question },
    { type: "image", image: EXPECT.image },
  ];
  const answer = await generateText({ ...common, messages: [{ role: "user", content }] });
  assert.equal(answer.text, EXPECT.image_answer);
});

for (const [status, asked] of [
  [401, provider({ apiKey: "pm_wrong" })(MODEL)],
  [404, provider()(EXPECT.missing_model)],
  [429, provider()(EXPECT.limited_model)],
]) {
  suite.case(`error ${status}`, async () => {
    await assert.rejects(generateText({ ...common, model: asked, prompt }), (error) => {
      assert.ok(APICallError.isInstance(error), String(error));
      assert.equal(error.statusCode, status);
      assert.equal(error.isRetryable, status === 429);
      return true;
    });
  });
}

suite.case("receipt id", async () => {
  const { response } = await generateText({ ...common, prompt });
  const named = receiptId(response.headers["x-proofmark-receipt"]);
  assert.equal(response.id, `chatcmpl-${named}`);
  assert.deepEqual(response.body.proofmark, { id: named, url: `/v1/receipts/${named}` });
});

suite.case("receipt id, streamed", async () => {
  const stream = streamText({ ...common, prompt, onError: () => {} });
  await stream.consumeStream();
  const response = await stream.response;
  assert.equal(response.id, `chatcmpl-${receiptId(response.headers["x-proofmark-receipt"])}`);
});

await suite.run();
