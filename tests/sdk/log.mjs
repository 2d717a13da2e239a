// Logs one request with the helpers as a user's program does: node log.mjs <scenario>, with ADDRESS and KEY.

import { HeliconeManualLogger } from "@helicone/helpers";

const REQUEST = { model: "asked-for", messages: [{ role: "user", content: "Hi" }] };
const ANSWER = {
  id: "answer-1",
  model: "answered",
  choices: [{ message: { content: "Hello" } }],
  usage: { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 },
};
const HEADERS = { "Helicone-Request-Id": "r", "Helicone-User-Id": "alice", "Helicone-Property-Env": "prod" };
const CHUNKS = [{ text: "Hel" }, { text: "lo" }];

const logger = new HeliconeManualLogger({
  apiKey: process.env.KEY,
  headers: { "Helicone-Session-Id": "s" },
  loggingEndpoint: `${process.env.ADDRESS}/custom/v1/log`,
});

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function* chunks() {
  for (const chunk of CHUNKS) {
    await pause(20);
    yield chunk;
  }
}

function bytes() {
  return ReadableStream.from(CHUNKS.map((chunk) => new TextEncoder().encode(chunk.text)));
}

async function drain(stream) {
  for await (const _ of stream);
}

async function answer(recorder) {
  await pause(20);
  recorder.appendResults(ANSWER);
  return "the operation's result";
}

const scenarios = {
  request: async () => console.log(await logger.logRequest(REQUEST, answer, HEADERS)),
  provider: (name) => logger.logRequest(REQUEST, answer, HEADERS, name),
  tool: () =>
    logger.logRequest(
      { _type: "tool", toolName: "search", input: { query: "Faust" } },
      async (recorder) => recorder.appendResults({ found: 1 }),
      HEADERS,
    ),
  failure: () =>
    logger.logRequest(REQUEST, async () => Promise.reject(new Error("the model is away")), HEADERS).catch(() => {}),
  single: () =>
    logger.logSingleRequest(REQUEST, JSON.stringify(ANSWER), { additionalHeaders: HEADERS, latencyMs: 1500 }),
  text: () => logger.logSingleRequest(REQUEST, "Hello", { additionalHeaders: HEADERS }),
  singleStream: () => logger.logSingleStream(REQUEST, bytes(), HEADERS),
  stream: () => logger.logStream(REQUEST, async (recorder) => recorder.attachStream(bytes()), HEADERS),
  builder: async () => {
    const builder = logger.logBuilder(REQUEST, HEADERS);
    await drain(builder.toReadableStream(chunks()));
    await builder.sendLog();
  },
  attached: async () => {
    const builder = logger.logBuilder(REQUEST);
    builder.addAdditionalHeaders(HEADERS);
    await builder.attachStream(chunks());
    await builder.sendLog();
  },
  error: async () => {
    const builder = logger.logBuilder(REQUEST, HEADERS);
    builder.setError(new Error("the model is away"));
    await builder.sendLog();
  },
  cancel: async () => {
    const builder = logger.logBuilder(REQUEST, HEADERS);
    const reader = builder.toReadableStream(chunks()).getReader();
    await reader.read();
    await reader.cancel();
    await builder.sendLog();
  },
};

const [scenario, ...rest] = process.argv.slice(2);
await scenarios[scenario](...rest);
