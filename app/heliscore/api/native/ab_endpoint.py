"""`POST /v1/evals/ab`: whether one group of requests scores better than another, and how sure that is."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import COUNT, NUMBER, STRING, closed_object, nullable, whole_object
from heliscore.api.native.ab_fields import BODY, arm_keys, make_experiment
from heliscore.api.shared import envelope
from heliscore.api.shared.arm_comparisons import Experiment, SampleRatio
from heliscore.api.shared.comparison_answers import COMPARISON, show_comparison
from heliscore.api.shared.experiments import run

_MISMATCH: Final = 0.001


def _show_ratio(experiment: Experiment, ratio: SampleRatio | None) -> dict[str, object] | None:
    if ratio is None:
        return None
    keys = arm_keys(experiment.arms)
    return {
        "observed": dict(zip(keys, ratio.observed, strict=True)),
        "expected": dict(zip(keys, experiment.expected_shares or (), strict=True)),
        "p": ratio.p,
        "mismatch": ratio.p is not None and ratio.p < _MISMATCH,
    }


async def compare_arms(call: ApiCall) -> Response:
    """Compare arms, groups of requests, with a base: is B better than A, by how much, and how sure is that.

    For each score and other arm: the difference with its interval and p, corrected for all comparisons of
    the call and uncorrected beside it, lift, effect size, the chance that a score of the arm is higher than
    one of the base (`superiority`), a verdict, and how many more scores a stated difference needs. What
    cannot be said is null, and `reasons` says why. Where shares of the requests are expected, `sampleRatio`
    says how many each arm has, and whether that is hardly chance (`mismatch`, p below 0.001): then something
    other than the variant may differ. The arm of the requests without a value is there called `null`.
    """
    body = BODY.decode(await call.body())
    experiment = make_experiment(call.principal.organization_id, body)
    results = await run(call.services, experiment)
    base = experiment.arms.labels[0]
    return envelope.answer(
        {
            "base": base,
            "confidence": experiment.confidence,
            "correction": experiment.correction,
            "comparisons": [show_comparison(result, base) for result in results.results],
            "unknownScores": results.unknown_scores,
            "inSeveralArms": results.in_several,
            "sampleRatio": _show_ratio(experiment, results.ratio),
        }
    )


_RATIO: Final = {
    "observed": {"type": "object", "additionalProperties": COUNT},
    "expected": {"type": "object", "additionalProperties": NUMBER},
    "p": nullable(NUMBER),
    "mismatch": {"type": "boolean"},
}
_ANSWER: Final = {
    "base": nullable(STRING),
    "confidence": NUMBER,
    "correction": STRING,
    "comparisons": {"type": "array", "items": COMPARISON},
    "unknownScores": {"type": "array", "items": STRING},
    "inSeveralArms": COUNT,
    "sampleRatio": nullable(whole_object("SampleRatio", _RATIO)),
}

ENDPOINTS: Final = (
    envelope.endpoint(
        "POST",
        "/v1/evals/ab",
        compare_arms,
        "r",
        "Evaluation",
        body=BODY,
        data=closed_object(_ANSWER, required=tuple(_ANSWER)),
    ),
)
