// Calls a model's API that streams, with its own SDK, and logs the stream with the helpers, as a user's program does:
// node streams.mjs <shape> <way>, with ADDRESS and KEY. The API is a server in here, which sends the chunks that the
// real one does.

import { createServer } from "node:http";
import Anthropic from "@anthropic-ai/sdk";
import { HeliconeManualLogger } from "@helicone/helpers";
import OpenAI from "openai";

const PIECES = ["Up", "stairs, ", "on the left."];
const ANSWER = PIECES.join("");
const SYSTEM = "Be brief.";
const QUESTION = "Where is the library?";
const HEADERS = { "Helicone-Request-Id": "r" };

const chunk = (rest) => ({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  created: 1795000000,
  model: "gpt-4o-2024-08-06",
  system_fingerprint: null,
  ...rest,
});
const delta = (delta, finish_reason = null) =>
  chunk({ choices: [{ index: 0, delta, logprobs: null, finish_reason }], usage: null });
const calling = (call) => delta({ tool_calls: [{ index: 0, ...call }] });
const USAGE = chunk({
  choices: [],
  usage: { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8, prompt_tokens_details: { cached_tokens: 2 } },
});
const MESSAGES = [
  { role: "system", content: SYSTEM },
  { role: "user", content: QUESTION },
];
const CHAT = {
  request: { model: "gpt-4o", messages: MESSAGES, stream: true, stream_options: { include_usage: true } },
  call: (address, request) =>
    new OpenAI({ apiKey: "none", baseURL: address, maxRetries: 0 }).chat.completions.create(request),
};

const response = (rest) => ({
  id: "resp_1",
  object: "response",
  model: "gpt-5-2025-08-07",
  status: "in_progress",
  output: [],
  usage: null,
  ...rest,
});
const message = (content, status) => ({ id: "msg_1", type: "message", role: "assistant", status, content });
const text = (text) => ({ type: "output_text", annotations: [], logprobs: [], text });
const AT = { item_id: "msg_1", output_index: 0, content_index: 0 };

const shapes = {
  chat: {
    ...CHAT,
    events: [
      delta({ role: "assistant", content: "", refusal: null }),
      ...PIECES.map((content) => delta({ content })),
      delta({}, "stop"),
      USAGE,
    ],
  },
  tools: {
    ...CHAT,
    events: [
      delta({ role: "assistant", content: null }),
      calling({ id: "call_1", type: "function", function: { name: "find_room", arguments: "" } }),
      calling({ function: { arguments: '{"name": "lib' } }),
      calling({ function: { arguments: 'rary"}' } }),
      delta({}, "tool_calls"),
      USAGE,
    ],
  },
  broken: {
    ...CHAT,
    events: [delta({ role: "assistant", content: "" }), ...PIECES.map((content) => delta({ content })), null],
  },
  responses: {
    request: { model: "gpt-5", instructions: SYSTEM, input: QUESTION, stream: true },
    call: (address, request) =>
      new OpenAI({ apiKey: "none", baseURL: address, maxRetries: 0 }).responses.create(request),
    events: [
      { type: "response.created", response: response() },
      { type: "response.output_item.added", output_index: 0, item: message([], "in_progress") },
      { type: "response.content_part.added", ...AT, part: text("") },
      ...PIECES.map((delta) => ({ type: "response.output_text.delta", ...AT, delta, logprobs: [] })),
      { type: "response.output_text.done", ...AT, text: ANSWER, logprobs: [] },
      { type: "response.output_item.done", output_index: 0, item: message([text(ANSWER)], "completed") },
      {
        type: "response.completed",
        response: response({
          status: "completed",
          output: [message([text(ANSWER)], "completed")],
          usage: {
            input_tokens: 3,
            input_tokens_details: { cached_tokens: 2 },
            output_tokens: 5,
            output_tokens_details: { reasoning_tokens: 1 },
            total_tokens: 8,
          },
        }),
      },
    ].map((event, sequence_number) => ({ ...event, sequence_number })),
  },
  messages: {
    request: {
      model: "claude-sonnet-4-5",
      max_tokens: 64,
      system: SYSTEM,
      messages: [{ role: "user", content: QUESTION }],
      stream: true,
    },
    call: (address, request) =>
      new Anthropic({ apiKey: "none", baseURL: address, maxRetries: 0 }).messages.create(request),
    events: [
      {
        type: "message_start",
        message: {
          id: "msg_1",
          type: "message",
          role: "assistant",
          model: "claude-sonnet-4-5-20250929",
          content: [],
          stop_reason: null,
          stop_sequence: null,
          usage: {
            input_tokens: 3,
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: 10,
            output_tokens: 1,
          },
        },
      },
      { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "", signature: "" } },
      { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "I have " } },
      { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "a map." } },
      { type: "content_block_delta", index: 0, delta: { type: "signature_delta", signature: "c2ln" } },
      { type: "content_block_stop", index: 0 },
      { type: "content_block_start", index: 1, content_block: { type: "text", text: "" } },
      { type: "ping" },
      ...PIECES.map((text) => ({ type: "content_block_delta", index: 1, delta: { type: "text_delta", text } })),
      { type: "content_block_stop", index: 1 },
      { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 5 } },
      { type: "message_stop" },
    ],
  },
};

// The events as server-sent ones: of a kind where they have a type. At null the connection breaks.
function serve(events) {
  const server = createServer(async (request, answer) => {
    for await (const _ of request);
    answer.writeHead(200, { "Content-Type": "text/event-stream" });
    for (const event of events) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (event === null) return answer.destroy();
      answer.write(`${event.type ? `event: ${event.type}\n` : ""}data: ${JSON.stringify(event)}\n\n`);
    }
    answer.end(events[0].object === "chat.completion.chunk" ? "data: [DONE]\n\n" : "");
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

async function drain(stream) {
  for await (const _ of stream);
}

const ways = {
  logStream: (logger, request, call) =>
    logger.logStream(
      request,
      async (recorder) => {
        const [mine, logged] = (await call()).tee();
        recorder.attachStream(logged.toReadableStream());
        await drain(mine);
      },
      HEADERS,
    ),
  logSingleStream: async (logger, request, call) =>
    logger.logSingleStream(request, (await call()).toReadableStream(), HEADERS),
  logBuilder: async (logger, request, call) => {
    const builder = logger.logBuilder(request, HEADERS);
    try {
      await drain(builder.toReadableStream(await call()));
    } catch (error) {
      builder.setError(error);
    }
    await builder.sendLog();
  },
  // Without an SDK: what came, as it came.
  bytes: async (logger, request, _, address) => {
    const answer = await fetch(`${address}/`, { method: "POST", body: JSON.stringify(request) });
    await logger.logSingleStream(request, answer.body, HEADERS);
  },
};

const [shape, way] = process.argv.slice(2);
const { request, call, events } = shapes[shape];
const server = await serve(events);
const address = `http://127.0.0.1:${server.address().port}`;
const logger = new HeliconeManualLogger({
  apiKey: process.env.KEY,
  loggingEndpoint: `${process.env.ADDRESS}/custom/v1/log`,
});
await ways[way](logger, request, () => call(address, request), address);
server.closeAllConnections();
server.close();
