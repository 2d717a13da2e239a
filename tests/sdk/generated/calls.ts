// Calls the service at ADDRESS with KEY through openapi-fetch, by the types that openapi-typescript made of its
// document, and prints what came of it.

import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Filter = components["schemas"]["Filter"];

const client = createClient<paths>({
  baseUrl: process.env.ADDRESS,
  headers: { Authorization: `Bearer ${process.env.KEY}` },
});

function done<T>({ data, error }: { data?: T; error?: unknown }): T {
  if (data === undefined) throw new Error(`the call failed: ${JSON.stringify(error)}`);
  return data;
}

function scored(name: string, least: number): Filter {
  return { request_response_rmt: { scores: { [name]: { gte: least } } } };
}

const name = { params: { path: { name: "accuracy" } } };
done(
  await client.PUT("/v1/score-definitions/{name}", {
    ...name,
    body: { type: "integer", min: 0, max: 100, direction: "higher" },
  }),
);
const definition = done(await client.GET("/v1/score-definitions/{name}", name)).data;

const one = { params: { path: { requestId: "one" }, header: { "Idempotency-Key": "a" } } };
done(
  await client.POST("/v1/request/{requestId}/score", { ...one, body: { scores: { accuracy: 95, cited: true } } }),
);
done(
  await client.POST("/v1/request/{requestId}/feedback", {
    params: { path: { requestId: "one" } },
    body: { rating: true },
  }),
);
const batch = done(
  await client.POST("/v1/scores/batch", {
    body: {
      mode: "atomic",
      items: [{ requestId: "two", scores: { accuracy: { value: 40, comment: "vague" } } }],
    },
  }),
).data;

const filter: Filter = {
  left: scored("accuracy", 1),
  operator: "and",
  right: { not: scored("accuracy", 50) },
};
const rows = done(await client.POST("/v1/request/query", { body: { filter } })).data;
const page = done(await client.POST("/v1/request/query", { body: { filter: "all", limit: 1 } }));
const refused = await client.POST("/v1/request/query", { body: { filter: "all", limit: 5000 } });

const compared = done(
  await client.POST("/v1/evals/compare", {
    body: { filter: "all", scores: ["accuracy"], groupBy: { property: "variant" } },
  }),
).data;

const made = done(
  await client.POST("/v1/monitors", {
    body: { name: "accuracy", score: "accuracy", statistic: "average", condition: { below: 70 } },
  }),
).data;
const monitors = done(await client.GET("/v1/monitors")).data;

const chat = { type: "chat", messages: [] };
const logged = done(
  await client.POST("/log-request", {
    body: {
      provider: "openai",
      model: "m",
      input: chat,
      output: chat,
      request_start_time: 1767225600.0,
      request_end_time: 1767225601.25,
    },
  }),
);
const tracked = done(
  await client.POST("/rest/track-score", { body: { request_id: logged.id, score: 88 } }),
);

console.log(
  JSON.stringify({
    definition: [definition.name, definition.type, definition.max],
    batch: [batch.accepted, batch.rejected],
    found: rows.map((row) => [row.request_id, row.scores]),
    page: [page.data.length, typeof page.nextCursor === "string"],
    refused: refused.error?.error ?? null,
    compared: [compared[0]?.group, compared[0]?.scores.accuracy?.average],
    monitors: monitors.map((each) => [each.id === made.id, each.name, each.condition.below]),
    tracked: tracked.success,
  }),
);
