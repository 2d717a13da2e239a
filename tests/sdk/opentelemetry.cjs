// Calls a model and evaluates its answers by OpenTelemetry's packages, which send JSON: node opentelemetry.cjs <provider>,
// with ADDRESS and KEY.

const { logs } = require("@opentelemetry/api-logs");
const { trace, context } = require("@opentelemetry/api");
const { OTLPLogExporter } = require("@opentelemetry/exporter-logs-otlp-http");
const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-http");
const { OpenAIInstrumentation } = require("@opentelemetry/instrumentation-openai");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { BatchLogRecordProcessor } = require("@opentelemetry/sdk-logs");
const { NodeSDK } = require("@opentelemetry/sdk-node");

const { ADDRESS, KEY } = process.env;
const headers = { Authorization: `Bearer ${KEY}` };

const sdk = new NodeSDK({
  resource: resourceFromAttributes({ "service.name": "javascript" }),
  autoDetectResources: false,
  traceExporter: new OTLPTraceExporter({ url: `${ADDRESS}/v1/traces`, headers }),
  logRecordProcessors: [new BatchLogRecordProcessor(new OTLPLogExporter({ url: `${ADDRESS}/v1/logs`, headers }))],
  instrumentations: [new OpenAIInstrumentation()],
});
sdk.start();

const { OpenAI } = require("openai"); // after the SDK has begun: it wraps what is loaded later
const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: "none", maxRetries: 0 });

const main = async () => {
  const messages = [{ role: "user", content: "Where is the library?" }];
  const answer = await client.chat.completions.create({ model: "gpt-4o", messages });
  // A span written by hand, in the present conventions, and its evaluation in its context.
  const span = trace.getTracer("by hand").startSpan("chat gpt-4o", {
    attributes: {
      "gen_ai.operation.name": "chat",
      "gen_ai.request.model": "by-hand",
      "gen_ai.input.messages": JSON.stringify([{ role: "user", parts: [{ type: "text", content: "Hi" }] }]),
      "session.id": "s1",
    },
  });
  const evaluate = (name, value, more) =>
    logs.getLogger("judge").emit({
      eventName: "gen_ai.evaluation.result",
      attributes: { "gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": value, ...more },
    });
  context.with(trace.setSpan(context.active(), span), () => evaluate("quality", 1));
  evaluate("quality", 0.5, { "gen_ai.response.id": answer.id });
  span.end();
  await sdk.shutdown();
};
main();
