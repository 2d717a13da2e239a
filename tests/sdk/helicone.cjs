// Scores requests or rates one, as a user's program does: node helicone.cjs <scenario>, with ADDRESS and KEY.

// Stands in for Traceloop's SDK, which HeliconeAsyncLogger begins: one span as OpenLLMetry writes it, through the exporter
// that the logger made.
require("@traceloop/node-server-sdk").initialize = ({ exporter }) => {
  const { BasicTracerProvider, SimpleSpanProcessor } = require("@opentelemetry/sdk-trace-base");
  const provider = new BasicTracerProvider();
  provider.addSpanProcessor(new SimpleSpanProcessor(exporter));
  const properties = "traceloop.association.properties.";
  const attributes = {
    "llm.request.type": "chat",
    "gen_ai.system": "OpenAI",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o",
    "gen_ai.prompt.0.role": "user",
    "gen_ai.prompt.0.content": "Where is the library?",
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": "Upstairs, on the left.",
    "gen_ai.completion.0.finish_reason": "stop",
    "gen_ai.usage.prompt_tokens": 10,
    "gen_ai.usage.completion_tokens": 20,
    "llm.usage.total_tokens": 30,
    [`${properties}Helicone-User-Id`]: "alice",
    [`${properties}Helicone-Property-Env`]: "prod",
    [`${properties}Helicone-Session-Id`]: "s1",
  };
  provider.getTracer("openai").startSpan("openai.chat", { attributes }).end();
};

const { HeliconeAPIClient, HeliconeAsyncLogger, HeliconeFeedback } = require("@helicone/helicone");

const { ADDRESS, KEY } = process.env;

const rate = (rating) => HeliconeFeedback.logFeedback({ apiKey: KEY, baseUrl: ADDRESS }, "r", rating);

const scenarios = {
  // One round of the worker; prints what it gave to be scored.
  work: async () => {
    const worker = new HeliconeAPIClient({ apiKey: KEY, baseURL: ADDRESS }).scoringWorker();
    const seen = [];
    const working = worker.start(async (request, bodies) => {
      seen.push({ id: request.request_id, ...bodies });
      return { scores: { length: 5, polite: true } };
    });
    worker.stop();
    await working;
    console.log(JSON.stringify(seen));
  },
  async: () =>
    new HeliconeAsyncLogger({
      apiKey: KEY,
      baseUrl: `${ADDRESS}/v1/trace/log`,
      providers: {},
      headers: { "Helicone-Property-Team": "search" },
    }).init(),
  positive: () => rate("positive"),
  negative: () => rate("negative"),
  true: () => rate(true),
};

scenarios[process.argv[2]]();
