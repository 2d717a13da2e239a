// Makes PromptLayer's calls as a user's program does: node promptlayer.cjs <steps>, with ADDRESS and KEY. A step is
// [path of the method, its arguments]; what each returned or raised is printed as one JSON array. CommonJS, because
// the package's wrapper of openai loads that with `require`.

const { createServer } = require("node:http");
const { PromptLayer } = require("promptlayer");

const client = new PromptLayer({
  apiKey: process.env.KEY,
  baseURL: process.env.ADDRESS,
  throwOnError: process.env.THROW !== "false",
});

const COMPLETION = {
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "gpt-4o-2024",
  choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "Hello" } }],
  usage: { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 },
};

// A model's API that always says hello, called through PromptLayer's wrapper of the package openai.
async function wrapped(body) {
  const server = createServer((_, response) => {
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(COMPLETION));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const openai = new client.OpenAI({ apiKey: "none", baseURL: `http://127.0.0.1:${server.address().port}` });
    return await openai.chat.completions.create(body);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function run(steps) {
  const outcomes = [];
  for (const [method, ...args] of steps) {
    const names = method.split(".");
    const last = names.pop();
    const owner = names.reduce((object, name) => object[name], client);
    try {
      const returned = await (method === "wrapped" ? wrapped(...args) : owner[last](...args));
      outcomes.push({ returned: returned ?? null });
    } catch (error) {
      outcomes.push({ raised: error.message });
    }
  }
  console.log(JSON.stringify(outcomes));
}

run(JSON.parse(process.argv[2]));
