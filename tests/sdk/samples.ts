// The use cases of the score endpoint's public documentation, word for word; the test points their two base URLs at
// the service. What the documentation leaves to its reader stands at the end, with the calls.

import OpenAI from 'openai';

const client = new OpenAI({
  baseURL: 'https://gateway.helicone.ai/v1',
  defaultHeaders: {
    'Helicone-Auth': `Bearer ${process.env.HELICONE_API_KEY}`
  }
});

async function judge() {
  // Make the initial request
  const { data, response } = await client.chat.completions
    .create({
      model: 'gpt-4',
      messages: [{ role: 'user', content: 'Explain quantum computing' }]
    })
    .withResponse();

  const requestId = response.headers.get('helicone-id');
  const responseText = data.choices[0].message.content;

  // Use GPT-4 to evaluate the response
  const evaluation = await client.chat.completions.create({
    model: 'gpt-4',
    messages: [
      {
        role: 'system',
        content: `Evaluate this response on a scale of 0-100 for:
- Accuracy: How factually correct is the information?
- Clarity: How easy is it to understand?
- Completeness: Does it fully answer the question?

Return ONLY a JSON object with these scores.`
      },
      {
        role: 'user',
        content: `Response to evaluate: ${responseText}`
      }
    ],
    response_format: { type: 'json_object' }
  });

  const scores = JSON.parse(evaluation.choices[0].message.content);

  // Add scores to the original request
  await fetch(
    `https://api.helicone.ai/v1/request/${requestId}/score`,
    {
      method: 'POST',
      headers: {
        'Authorization': `Bearer ${process.env.HELICONE_API_KEY}`,
        'Content-Type': 'application/json'
      },
      body: JSON.stringify({ scores })
    }
  );
  return [requestId, responseText];
}

interface EvaluationForm {
  accuracy: number;
  relevance: number;
  helpfulness: number;
  tone: number;
  followedInstructions: boolean;
  containedErrors: boolean;
}

const submitEvaluation = async (
  requestId: string,
  evaluation: EvaluationForm
) => {
  await fetch(
    `https://api.helicone.ai/v1/request/${requestId}/score`,
    {
      method: 'POST',
      headers: {
        'Authorization': `Bearer ${process.env.HELICONE_API_KEY}`,
        'Content-Type': 'application/json'
      },
      body: JSON.stringify({
        scores: {
          accuracy: evaluation.accuracy,
          relevance: evaluation.relevance,
          helpfulness: evaluation.helpfulness,
          tone: evaluation.tone,
          followed_instructions: evaluation.followedInstructions,
          contained_errors: evaluation.containedErrors
        }
      })
    }
  );
};

const evaluateResponse = (responseText: string) => {
  const scores = {
    word_count: responseText.split(' ').length,
    has_citations: /\[\d+\]|\(\d{4}\)/.test(responseText),
    has_code_examples: responseText.includes('```'),
    starts_with_greeting: /^(hello|hi|hey)/i.test(responseText),
    exceeds_min_length: responseText.length > 100,
    contains_markdown: /[#*_`]/.test(responseText)
  };
  return scores;
};

const scoreRequest = async (requestId: string, responseText: string) => {
  const scores = evaluateResponse(responseText);

  await fetch(
    `https://api.helicone.ai/v1/request/${requestId}/score`,
    {
      method: 'POST',
      headers: {
        'Authorization': `Bearer ${process.env.HELICONE_API_KEY}`,
        'Content-Type': 'application/json'
      },
      body: JSON.stringify({ scores })
    }
  );
};

const evaluateRAG = async (
  requestId: string,
  response: string,
  context: string[],
  userQuery: string
) => {
  // Evaluate different aspects of RAG quality
  const scores = {
    // Answer quality
    answer_relevance: await scoreAnswerRelevance(response, userQuery),
    answer_completeness: await scoreCompleteness(response, userQuery),

    // Context quality
    context_relevance: await scoreContextRelevance(context, userQuery),
    context_precision: await scoreContextPrecision(context, response),

    // Faithfulness
    faithfulness: await scoreFaithfulness(response, context),
    has_hallucinations: await detectHallucinations(response, context),

    // Additional checks
    uses_all_context: checkContextUsage(response, context),
    citations_provided: response.includes('[') && response.includes(']')
  };

  await fetch(
    `https://api.helicone.ai/v1/request/${requestId}/score`,
    {
      method: 'POST',
      headers: {
        'Authorization': `Bearer ${process.env.HELICONE_API_KEY}`,
        'Content-Type': 'application/json'
      },
      body: JSON.stringify({ scores })
    }
  );

  return scores;
};

const runComparison = async (userQuery: string) => {
  // Test variant A
  const { data: dataA, response: responseA } = await client.chat.completions
    .create(
      {
        model: 'gpt-4',
        messages: [{ role: 'user', content: userQuery }],
        temperature: 0.7
      },
      {
        headers: {
          'Helicone-Property-Variant': 'A',
          'Helicone-Property-Temperature': '0.7'
        }
      }
    )
    .withResponse();

  const requestIdA = responseA.headers.get('helicone-id');

  // Test variant B
  const { data: dataB, response: responseB } = await client.chat.completions
    .create(
      {
        model: 'gpt-4',
        messages: [{ role: 'user', content: userQuery }],
        temperature: 0.3
      },
      {
        headers: {
          'Helicone-Property-Variant': 'B',
          'Helicone-Property-Temperature': '0.3'
        }
      }
    )
    .withResponse();

  const requestIdB = responseB.headers.get('helicone-id');

  // Evaluate both
  const scoresA = await evaluateLLMResponse(dataA.choices[0].message.content);
  const scoresB = await evaluateLLMResponse(dataB.choices[0].message.content);

  // Add scores
  await Promise.all([
    fetch(`https://api.helicone.ai/v1/request/${requestIdA}/score`, {
      method: 'POST',
      headers: {
        'Authorization': `Bearer ${process.env.HELICONE_API_KEY}`,
        'Content-Type': 'application/json'
      },
      body: JSON.stringify({ scores: scoresA })
    }),
    fetch(`https://api.helicone.ai/v1/request/${requestIdB}/score`, {
      method: 'POST',
      headers: {
        'Authorization': `Bearer ${process.env.HELICONE_API_KEY}`,
        'Content-Type': 'application/json'
      },
      body: JSON.stringify({ scores: scoresB })
    })
  ]);
};

class LLMEvaluator {
  private apiKey: string;

  constructor(apiKey: string) {
    this.apiKey = apiKey;
  }

  async evaluate(
    requestId: string,
    response: string,
    criteria: string[]
  ): Promise<Record<string, number>> {
    const scores: Record<string, number> = {};

    // Run each evaluation criterion
    for (const criterion of criteria) {
      scores[criterion] = await this.evaluateCriterion(
        response,
        criterion
      );
    }

    // Submit scores
    await fetch(
      `https://api.helicone.ai/v1/request/${requestId}/score`,
      {
        method: 'POST',
        headers: {
          'Authorization': `Bearer ${this.apiKey}`,
          'Content-Type': 'application/json'
        },
        body: JSON.stringify({ scores })
      }
    );

    return scores;
  }

  private async evaluateCriterion(
    response: string,
    criterion: string
  ): Promise<number> {
    // Implement your evaluation logic here
    // This could use another LLM, heuristics, or external APIs
    return 0;
  }
}

async function use(requestId: string, responseText: string) {
  const evaluator = new LLMEvaluator(process.env.HELICONE_API_KEY);
  const scores = await evaluator.evaluate(
    requestId,
    responseText,
    ['accuracy', 'clarity', 'completeness', 'tone']
  );
  return scores;
}

async function query() {
  // Find all high-quality responses (accuracy > 90)
  const response = await fetch(
    'https://api.helicone.ai/v1/request/query',
    {
      method: 'POST',
      headers: {
        'Authorization': `Bearer ${process.env.HELICONE_API_KEY}`,
        'Content-Type': 'application/json'
      },
      body: JSON.stringify({
        filter: {
          request_response_rmt: {
            scores: {
              accuracy: {
                gte: 90
              }
            }
          }
        },
        limit: 100
      })
    }
  );
  return response.json();
}

// What is left to the reader

const scoreAnswerRelevance = async (...said: unknown[]) => 91;
const scoreCompleteness = async (...said: unknown[]) => 92;
const scoreContextRelevance = async (...said: unknown[]) => 93;
const scoreContextPrecision = async (...said: unknown[]) => 94;
const scoreFaithfulness = async (...said: unknown[]) => 95;
const detectHallucinations = async (...said: unknown[]) => false;
const checkContextUsage = (...said: unknown[]) => true;
const evaluateLLMResponse = async (...said: unknown[]) => ({ comparable: 50 });

async function ask(number: number) {
  const { data, response } = await client.chat.completions
    .create({ model: 'gpt-4', messages: [{ role: 'user', content: `${number}` }] })
    .withResponse();
  return [response.headers.get('helicone-id'), data.choices[0].message.content];
}

const judged = await judge();
const [person, checks, rag, framework] = await Promise.all([1, 2, 3, 4].map(ask));
await submitEvaluation(person[0], {
  accuracy: 1, relevance: 2, helpfulness: 3, tone: 4, followedInstructions: true, containedErrors: false
});
await scoreRequest(checks[0], checks[1]);
await evaluateRAG(rag[0], rag[1], ['a', 'b'], 'Explain');
await runComparison('Explain quantum computing');
await use(framework[0], framework[1]);
const found = await query();
console.log(JSON.stringify({
  judged: judged[0], person: person[0], checks: checks[0], rag: rag[0], framework: framework[0],
  found: found.data.map((row: { request_id: string }) => row.request_id)
}));
