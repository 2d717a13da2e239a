// Scores requests or rates one, as a user's program does: node helicone.cjs <scenario>, with ADDRESS and KEY.

const { HeliconeAPIClient, HeliconeFeedback } = require("@helicone/helicone");

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
  positive: () => rate("positive"),
  negative: () => rate("negative"),
  true: () => rate(true),
};

scenarios[process.argv[2]]();
