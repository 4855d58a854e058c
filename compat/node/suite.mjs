// A list of cases that run one after the other: one printed line for each.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

function setting(name) {
  assert.ok(process.env[name], `${name} is not set`);
  return process.env[name];
}

export const BASE_URL = setting("COMPAT_BASE_URL");
export const API_KEY = setting("COMPAT_API_KEY");
export const EXPECT = JSON.parse(readFileSync(new URL("../expect.json", import.meta.url)));
export const MODEL = EXPECT.model;

// A receipt id: a UUID version 7 in lower case.
const RECEIPT_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Cases of one client. A case that returns has passed; one that throws has failed. */
export class Suite {
  #client;
  #cases = [];

  constructor(client) {
    this.#client = client;
  }

  case(name, run) {
    this.#cases.push({ name, run });
  }

  async run() {
    for (const { name, run } of this.#cases) {
      try {
        await run();
        console.log(`ok   ${this.#client.padEnd(18)} ${name}`);
      } catch (error) {
        process.exitCode = 1;
        console.log(`FAIL ${this.#client.padEnd(18)} ${name}`);
        const trace = String(error.stack ?? error).split("\n").slice(0, 12);
        console.log(`     ${trace.join("\n     ")}`);
      }
    }
  }
}

/** All that an async iterable yields. */
export async function gather(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

/** The receipt id in `chatcmpl-<id>`, `cmpl-<id>` or a bare id. */
export function receiptId(text) {
  const bare = String(text).replace(/^(chatcmpl|cmpl)-/, "");
  assert.match(bare, RECEIPT_ID);
  return bare;
}

/** Name and parsed arguments of tool calls as the OpenAI API has them. */
export function calls(toolCalls) {
  const ids = new Set(toolCalls.map((call) => call.id));
  assert.equal(ids.size, toolCalls.length, "tool call ids have to be distinct");
  return toolCalls.map((call) => ({
    name: call.function.name,
    arguments: JSON.parse(call.function.arguments),
  }));
}
