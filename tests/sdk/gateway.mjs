// Calls a provider through the gateway, with the SDKs of npm, and prints what they returned: node gateway.mjs, with
// ADDRESS, KEY and PROVIDER_KEY.

import Anthropic from "@anthropic-ai/sdk";
import { createHelicone } from "@helicone/ai-sdk-provider";
import { generateText, streamText } from "ai";
import OpenAI from "openai";

const { ADDRESS, KEY, PROVIDER_KEY } = process.env;
const messages = [{ role: "user", content: "Explain quantum computing" }];
const auth = { "Helicone-Auth": `Bearer ${KEY}` };
const printed = {};

const openai = new OpenAI({ apiKey: PROVIDER_KEY, baseURL: `${ADDRESS}/v1`, defaultHeaders: auth, maxRetries: 0 });
const chunks = [];
const stream = await openai.chat.completions.create(
  { model: "gpt-4", messages, stream: true },
  { headers: { "Helicone-Request-Id": "openai-stream" } },
);
for await (const chunk of stream) chunks.push(chunk.choices[0].delta.content ?? null);
printed.openai = chunks;

printed.errors = [];
for (const model of ["bad", "busy"]) {
  try {
    await openai.chat.completions.create({ model, messages });
  } catch (error) {
    printed.errors.push([error.constructor.name, error.status, error.requestID, error.error.message]);
  }
}
try {
  await openai.chat.completions.create(
    { model: "gpt-4", messages },
    { headers: { "Helicone-Fallbacks": "[]" } },
  );
} catch (error) {
  printed.errors.push([error.constructor.name, error.status, error.message]);
}

const anthropic = new Anthropic({
  apiKey: PROVIDER_KEY,
  baseURL: `${ADDRESS}/v1/gateway/anthropic`,
  defaultHeaders: { ...auth, "Helicone-Request-Id": "anthropic-stream" },
});
const said = await anthropic.messages
  .stream({ model: "claude-sonnet-4-5", max_tokens: 100, messages })
  .finalMessage();
printed.anthropic = said.content[0].text;

const helicone = createHelicone({ apiKey: KEY, baseURL: ADDRESS });
const model = helicone("gpt-4", {
  extraBody: { helicone: { sessionId: "s1", userId: "alice", properties: { env: "prod" }, tags: ["a"] } },
});
const text = await generateText({ model, messages });
printed.aiSdk = text.text;
const streamed = streamText({ model, messages });
printed.aiSdkStream = "";
for await (const piece of streamed.textStream) printed.aiSdkStream += piece;

console.log(JSON.stringify(printed));
