// openai-node, unmodified.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { API_KEY, BASE_URL, EXPECT, MODEL, Suite, calls, gather, receiptId } from "./suite.mjs";

const suite = new Suite("openai-node");
const client = new OpenAI({ baseURL: BASE_URL, apiKey: API_KEY, maxRetries: 0, timeout: 30_000 });
const model = MODEL;
const messages = [{ role: "user", content: EXPECT.question }];
const toolMessages = [{ role: "user", content: EXPECT.tool_question }];
const tools = EXPECT.tools;
const Mark = z.object({ name: z.string(), year: z.number().int() });

suite.case("chat", async () => {
  const answer = await client.chat.completions.create({ model, messages });
  assert.equal(answer.choices[0].message.content, EXPECT.answer);
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.equal(answer.object, "chat.completion");
  assert.equal(answer.model, MODEL);
  const { prompt_tokens: asked, completion_tokens: answered, total_tokens: total } = answer.usage;
  assert.ok(asked > 0 && answered > 0);
  assert.equal(total, asked + answered);
});

suite.case("stream, naive loop", async () => {
  const parts = [];
  const reasons = [];
  for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
    parts.push(chunk.choices[0].delta.content ?? "");
    reasons.push(chunk.choices[0].finish_reason ?? null);
  }
  assert.equal(parts.join(""), EXPECT.answer);
  assert.ok(parts.filter(Boolean).length > 1, "streamed in one piece");
  assert.deepEqual(reasons, [...Array(reasons.length - 1).fill(null), "stop"]);
});

suite.case("stream, helper", async () => {
  const deltas = [];
  const stream = client.chat.completions.stream({ model, messages });
  stream.on("content", (delta) => deltas.push(delta));
  const final = await stream.finalChatCompletion();
  assert.equal(deltas.join(""), EXPECT.answer);
  assert.equal(final.choices[0].message.content, EXPECT.answer);
  assert.equal(final.choices[0].finish_reason, "stop");
});

suite.case("tools, parallel", async () => {
  const answer = await client.chat.completions.create({ model, messages: toolMessages, tools });
  assert.equal(answer.choices[0].finish_reason, "tool_calls");
  assert.deepEqual(calls(answer.choices[0].message.tool_calls), EXPECT.tool_calls);
});

suite.case("tools, parallel, streamed", async () => {
  const gathered = [];
  let reason = null;
  let pieces = 0;
  const stream = await client.chat.completions.create({ model, messages: toolMessages, tools, stream: true });
  for await (const chunk of stream) {
    reason = chunk.choices[0].finish_reason ?? reason;
    for (const delta of chunk.choices[0].delta.tool_calls ?? []) {
      const call = (gathered[delta.index] ??= { id: "", function: { name: "", arguments: "" } });
      call.id += delta.id ?? "";
      call.function.name += delta.function?.name ?? "";
      call.function.arguments += delta.function?.arguments ?? "";
      pieces += 1;
    }
  }
  assert.equal(reason, "tool_calls");
  assert.deepEqual(calls(gathered), EXPECT.tool_calls);
  assert.ok(pieces > gathered.length, "arguments came in one piece");
});

suite.case("tools, parallel, stream helper", async () => {
  const final = await client.chat.completions
    .stream({ model, messages: toolMessages, tools })
    .finalChatCompletion();
  assert.deepEqual(calls(final.choices[0].message.tool_calls), EXPECT.tool_calls);
});

suite.case("tool loop, runTools", async () => {
  const asked = [];
  const runner = client.chat.completions.runTools({
    model,
    messages: toolMessages,
    tools: tools.map((tool) => ({
      type: "function",
      function: {
        ...tool.function,
        parse: JSON.parse,
        function: (given) => {
          asked.push({ name: tool.function.name, arguments: given });
          return "42";
        },
      },
    })),
  });
  assert.equal(await runner.finalContent(), EXPECT.tool_answer);
  assert.deepEqual(asked, EXPECT.tool_calls);
});

suite.case("structured output", async () => {
  const response_format = zodResponseFormat(Mark, "mark");
  const answer = await client.chat.completions.parse({ model, messages, response_format });
  assert.deepEqual(answer.choices[0].message.parsed, EXPECT.structured);
});

suite.case("structured output, streamed", async () => {
  const response_format = zodResponseFormat(Mark, "mark");
  const final = await client.chat.completions.stream({ model, messages, response_format }).finalChatCompletion();
  assert.deepEqual(final.choices[0].message.parsed, EXPECT.structured);
});

suite.case("logprobs", async () => {
  const answer = await client.chat.completions.create({ model, messages, logprobs: true, top_logprobs: 2 });
  const tokens = answer.choices[0].logprobs.content;
  assert.equal(tokens.map((token) => token.token).join(""), EXPECT.answer);
  assert.ok(tokens.every((token) => token.logprob <= 0 && token.top_logprobs.length === 2));
});

suite.case("n = 2", async () => {
  const answer = await client.chat.completions.create({ model, messages, n: 2 });
  assert.deepEqual(answer.choices.map((choice) => choice.index), [0, 1]);
  assert.ok(answer.choices.every((choice) => choice.message.content));
});

suite.case("n = 2, streamed", async () => {
  const whole = await client.chat.completions.create({ model, messages, n: 2 });
  const texts = ["", ""];
  for await (const chunk of await client.chat.completions.create({ model, messages, n: 2, stream: true })) {
    texts[chunk.choices[0].index] += chunk.choices[0].delta.content ?? "";
  }
  assert.deepEqual(texts, whole.choices.map((choice) => choice.message.content));
});

suite.case("stop", async () => {
  const answer = await client.chat.completions.create({ model, messages, stop: EXPECT.stop });
  assert.equal(answer.choices[0].message.content, EXPECT.stopped_answer);
  assert.equal(answer.choices[0].finish_reason, "stop");
});

suite.case("usage while streaming", async () => {
  const chunks = await gather(
    await client.chat.completions.create({ model, messages, stream: true, stream_options: { include_usage: true } }),
  );
  const last = chunks.pop();
  assert.ok(chunks.every((chunk) => !chunk.usage), "usage before the end");
  assert.deepEqual(last.choices, []);
  const whole = await client.chat.completions.create({ model, messages });
  assert.equal(last.usage.total_tokens, whole.usage.total_tokens);
});

suite.case("completions", async () => {
  const answer = await client.completions.create({ model, prompt: EXPECT.question });
  assert.equal(answer.choices[0].text, EXPECT.answer);
});

suite.case("completions, streamed", async () => {
  const chunks = await gather(await client.completions.create({ model, prompt: EXPECT.question, stream: true }));
  assert.equal(chunks.map((chunk) => chunk.choices[0].text).join(""), EXPECT.answer);
});

suite.case("embeddings", async () => {
  // This client asks for base64 by itself, and decodes it.
  const request = { model: EXPECT.embedding_model, input: ["one", "two"] };
  const compact = await client.embeddings.create(request);
  const plain = await client.embeddings.create({ ...request, encoding_format: "float" });
  assert.deepEqual(compact.data.map((item) => item.index), [0, 1]);
  assert.ok(compact.data[0].embedding.length > 1);
  assert.notDeepEqual(compact.data[0].embedding, compact.data[1].embedding);
  for (const [at, item] of compact.data.entries()) {
    const expected = plain.data[at].embedding;
    assert.equal(item.embedding.length, expected.length);
    assert.ok(item.embedding.every((value, k) => Math.abs(value - expected[k]) < 1e-6));
  }
});

suite.case("models", async () => {
  const ids = (await gather(client.models.list())).map((entry) => entry.id);
  assert.ok(ids.includes(MODEL), `${MODEL} is not in ${ids}`);
  assert.equal((await client.models.retrieve(MODEL)).id, MODEL);
});

suite.case("image", async () => {
  const content = [
    { type: "text", text: EXPECT.image_question },
    { type: "image_url", image_url: { url: EXPECT.image } },
  ];
  const answer = await client.chat.completions.create({ model, messages: [{ role: "user", content }] });
  assert.equal(answer.choices[0].message.content, EXPECT.image_answer);
});

suite.case("error 401", async () => {
  const stranger = client.withOptions({ apiKey: "pm_wrong" });
  await assert.rejects(stranger.chat.completions.create({ model, messages }), (error) => {
    assert.ok(error instanceof OpenAI.AuthenticationError);
    assert.equal(error.code, "invalid_api_key");
    return true;
  });
});

suite.case("error 404", async () => {
  await assert.rejects(client.chat.completions.create({ model: EXPECT.missing_model, messages }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, "model_not_found");
    return true;
  });
});

suite.case("error 429", async () => {
  await assert.rejects(client.chat.completions.create({ model: EXPECT.limited_model, messages }), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.ok(Number(error.headers.get("retry-after")) > 0);
    return true;
  });
});

suite.case("error 400", async () => {
  await assert.rejects(client.chat.completions.create({ model, messages, temperature: "hot" }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, "temperature");
    return true;
  });
});

suite.case("receipt id", async () => {
  const { data, response } = await client.chat.completions.create({ model, messages }).withResponse();
  const named = receiptId(response.headers.get("x-proofmark-receipt"));
  assert.equal(data.id, `chatcmpl-${named}`);
  assert.deepEqual(data.proofmark, { id: named, url: `/v1/receipts/${named}` });
});

suite.case("receipt id, streamed", async () => {
  const { data, response } = await client.chat.completions
    .create({ model, messages, stream: true })
    .withResponse();
  const named = receiptId(response.headers.get("x-proofmark-receipt"));
  const chunks = await gather(data);
  assert.ok(chunks.every((chunk) => chunk.id === `chatcmpl-${named}`));
  const carriers = chunks.filter((chunk) => chunk.proofmark);
  assert.equal(carriers.length, 1);
  assert.equal(carriers[0].choices[0].finish_reason, "stop");
  assert.equal(carriers[0].proofmark.id, named);
});

suite.case("receipt id, stream helper", async () => {
  const final = await client.chat.completions.stream({ model, messages }).finalChatCompletion();
  assert.equal(final.proofmark.id, receiptId(final.id));
});

suite.case("receipt can be fetched", async () => {
  const answer = await client.chat.completions.create({ model, messages });
  const named = receiptId(answer.id);
  for (const name of [named, answer.id]) {
    const receipt = await client.get(`/receipts/${name}`, { headers: { accept: "application/json" } });
    assert.ok(JSON.stringify(receipt).includes(named));
  }
});

await suite.run();
