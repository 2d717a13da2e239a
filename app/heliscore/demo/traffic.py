"""Makes the requests of the demo with their scores.

Everything is drawn from the seed and the number of the request: the same arguments give the same requests,
and the ids are the same at any time. The numbers tell three stories:

    release   a fifth of the period ago (6 of 30 days), a day earlier in staging, version 5 of the prompt
              `support-reply` went out; `relevance` fell where it is used, and the thumbs with it
    variant   B is more accurate than A, and a little slower
    models    the small ones are quick and cheap, and make things up more often

In staging the same inputs are asked again and again, each by both variants; the property `item` names them.

`reviewers` tells who gave the scores.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from heliscore.demo.exchange import Exchange, filled
from heliscore.demo.features import (
    CITIES,
    FEATURE_SHARES,
    FEATURES,
    NAMES,
    PRODUCTS,
    SUPPORT,
    SUPPORT_RELEASED,
    Feature,
)
from heliscore.demo.judgement import Judgement, draw_scores, judge
from heliscore.demo.providers import Model, make_error_body, make_request_body, make_response_body
from heliscore.demo.reviewers import draw_posts
from heliscore.domain.score import Score
from heliscore.domain.times import truncated
from heliscore.store.request_log import LoggedRequest
from heliscore.store.scores import ScoreWrite

ID_PREFIX: Final = "demo_"
"""How the ids of our requests begin."""

_HOURLY: Final = (2, 1, 1, 1, 2, 3, 6, 11, 16, 19, 20, 19, 17, 18, 19, 18, 16, 14, 13, 13, 12, 9, 6, 3)
"""How busy each hour of the day is, UTC."""

_WEEKEND: Final = 0.55
"""How busy a day of the weekend is, beside another."""

_NEWEST_AGE: Final = timedelta(minutes=2)
"""Younger requests could still be running."""

_RELEASE_SHARE: Final = 0.2
_STAGING_LEAD: Final = timedelta(days=1)
_NEWER_JUDGE_SHARE: Final = 0.5
_UNSCORED_SHARE: Final = 0.13
"""Of the answers. Errors are never scored: together 15 % of the requests."""

_ITEMS: Final = 16
"""Inputs of each feature that staging repeats."""

_CACHED_SHARE: Final = 0.3
_CACHED_PART: Final = 0.6
_SLOWER_VARIANT: Final = 1.15

_CITATION: Final = re.compile(r" ?\[\d\]")

_ERROR_SHARE: Final = 0.02
_ERRORS: Final = (
    (429, "rate_limit_exceeded", "Rate limit reached, please try again in 20 s."),
    (500, "server_error", "The server had an error while processing your request."),
    (503, "overloaded_error", "Overloaded"),
)


class DemoRequest(msgspec.Struct, frozen=True):
    """A request, and the posts of its scores in order of time."""

    logged: LoggedRequest
    posts: tuple[ScoreWrite, ...]

    @property
    def scores(self) -> dict[str, Score]:
        """The scores that it has after them."""
        return {name: score for post in self.posts for name, score in post.scores.items()}


class _Input(msgspec.Struct, frozen=True):
    exchange: Exchange
    variables: Mapping[str, str]
    item: str | None = None


def make_requests(
    organization_id: int, *, count: int, days: int, seed: int, now: datetime
) -> Iterator[DemoRequest]:
    """Make `count` requests of the last `days` days, oldest first."""
    released_at = now - timedelta(days=days * _RELEASE_SHARE)
    switched_at = now - timedelta(days=days * _NEWER_JUDGE_SHARE)
    for number, at in enumerate(_make_times(count, days, seed, now)):
        rng = Random(f"{seed}/{number}")  # noqa: S311 - nothing here is a secret
        yield _make_request(rng, organization_id, at, released_at, switched_at, now)


def _make_times(count: int, days: int, seed: int, now: datetime) -> Iterator[datetime]:
    """Rising times in milliseconds, with the rhythm of days and weeks."""
    rng = Random(seed)  # noqa: S311
    begin = now - timedelta(days=days)
    hours = [begin + timedelta(hours=hour) for hour in range(days * 24)]
    busy = [_HOURLY[hour.hour] * (_WEEKEND if hour.weekday() >= 5 else 1) for hour in hours]
    ends = list(accumulate(busy))
    for number in range(count):
        place = (number + rng.random()) / count * ends[-1]
        hour = min(bisect(ends, place), len(hours) - 1)
        at = hours[hour] + timedelta(hours=1 - (ends[hour] - place) / busy[hour])
        at = min(at, now - _NEWEST_AGE)
        yield truncated(at)


def _make_request(
    rng: Random,
    organization_id: int,
    at: datetime,
    released_at: datetime,
    switched_at: datetime,
    now: datetime,
) -> DemoRequest:
    request_id = f"{ID_PREFIX}{rng.getrandbits(80):020x}"
    environment = "staging" if rng.random() < 0.15 else "production"
    variant = rng.choice("AB")
    [feature] = rng.choices(FEATURES, FEATURE_SHARES)
    lead = _STAGING_LEAD if environment == "staging" else timedelta(0)
    if feature is SUPPORT and at >= released_at - lead:
        feature = SUPPORT_RELEASED
    [model] = rng.choices(feature.models, feature.model_shares)
    variables = _draw_variables(rng)
    judgement = judge(rng, feature, model, variant)
    asked = _Input(rng.choice(feature.exchanges), variables)
    if environment == "staging":
        asked = _repeat_item(feature, request_id)
    call = _draw_call(rng, feature, model, variant, asked, judgement)
    tier = rng.choices(("free", "plus", "business"), (60, 30, 10))[0] if feature.has_customers else "staff"
    request = LoggedRequest(
        organization_id=organization_id,
        request_id=request_id,
        created_at=at,
        updated_at=now,
        response_created_at=at + timedelta(milliseconds=call["latency_ms"]),
        user_id=f"{asked.variables['name'].lower()}-{rng.randint(1, 9)}",
        provider=model.provider,
        request_model=model.name,
        prompt_id=feature.prompt_id,
        prompt_version=str(feature.version),
        prompt_version_number=feature.version,
        prompt_variables=_encode(asked.variables) if feature.has_customers else None,
        request_path=urlsplit(model.url).path,
        target_url=model.url,
        properties=_encode(
            {"env": environment, "variant": variant, "feature": feature.name, "customer_tier": tier}
            | ({} if asked.item is None else {"item": asked.item})
        ),
        **call,
    )
    return DemoRequest(request, _draw_posts(rng, feature, judgement, request, switched_at, now))


def _repeat_item(feature: Feature, request_id: str) -> _Input:
    """One of the inputs that staging repeats; the same item is the same input in every request."""
    number = Random(request_id).randrange(_ITEMS)  # noqa: S311
    item = f"{feature.name} {number + 1}"
    rng = Random(item)  # noqa: S311
    return _Input(rng.choice(feature.exchanges), _draw_variables(rng), item)


def _draw_variables(rng: Random) -> dict[str, str]:
    return {
        "name": rng.choice(NAMES),
        "order": f"FW-{rng.randint(20_000, 99_999)}",
        "product": rng.choice(PRODUCTS),
        "city": rng.choice(CITIES),
        "amount": f"{rng.randint(29, 389)}.{rng.choice(('00', '50', '90'))}",
        "weeks": str(rng.randint(2, 9)),
    }


def _draw_call(
    rng: Random,
    feature: Feature,
    model: Model,
    variant: str,
    asked: _Input,
    judgement: Judgement,
) -> dict[str, Any]:
    """The columns that say what was sent and what came back."""
    exchange, variables = asked.exchange, asked.variables
    system = filled(feature.system, variables)
    if exchange.context:
        system = f"{system}\n\n{exchange.context}"
    turns = [filled(turn, variables) for turn in exchange.turns]
    sent: dict[str, Any] = {"request_body": _encode(make_request_body(model, system, turns))}
    if rng.random() < _ERROR_SHARE:
        status, kind, message = rng.choice(_ERRORS)
        error = _encode(make_error_body(kind, message))
        return sent | {"status": status, "latency_ms": rng.randint(40, 900), "response_body": error}
    answer = filled(_choose_answer(rng, feature, exchange, judgement), variables)
    prompt_tokens = sum(len(text) for text in (system, *turns)) // 4 + 12
    cached_tokens = int(prompt_tokens * _CACHED_PART) if rng.random() < _CACHED_SHARE else 0
    completion_tokens = len(answer) // 4 + rng.randint(1, 9)
    slower = rng.lognormvariate(0, 0.3) * (_SLOWER_VARIANT if variant == "B" else 1)
    first_token_ms = int(model.latency_ms * slower)
    cost = prompt_tokens * model.prompt_usd + completion_tokens * model.completion_usd
    response_id = f"{'msg' if model.provider == 'ANTHROPIC' else 'chatcmpl'}_{rng.getrandbits(64):016x}"
    body = make_response_body(model, response_id, answer, prompt_tokens, cached_tokens, completion_tokens)
    return sent | {
        "status": 200,
        "latency_ms": first_token_ms + int(completion_tokens * model.token_ms * slower),
        "time_to_first_token_ms": first_token_ms,
        "prompt_tokens": prompt_tokens,
        "prompt_cache_read_tokens": cached_tokens or None,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens + _counted_apart(model, cached_tokens),
        "cost_usd": round(cost / 1_000_000, 7),
        "response_model": model.name,
        "response_id": response_id,
        "response_body": _encode(body),
    }


def _counted_apart(model: Model, cached_tokens: int) -> int:
    """The cached tokens that the prompt's count does not hold: Anthropic's does not."""
    return cached_tokens if model.provider == "ANTHROPIC" else 0


def _choose_answer(rng: Random, feature: Feature, exchange: Exchange, judgement: Judgement) -> str:
    if judgement.is_off_topic:
        return rng.choice(feature.off_topic_answers)
    if judgement.is_hallucinated:
        return exchange.poor_answer
    return exchange.answer if judgement.has_citations else _CITATION.sub("", exchange.answer)


def _draw_posts(
    rng: Random,
    feature: Feature,
    judgement: Judgement,
    request: LoggedRequest,
    switched_at: datetime,
    now: datetime,
) -> tuple[ScoreWrite, ...]:
    if request.status != 200 or rng.random() < _UNSCORED_SHARE:
        return ()
    judged_at = min(request.created_at + timedelta(seconds=rng.randint(20, 400)), now)
    scores = draw_scores(rng, feature, judgement)
    return draw_posts(rng, request, scores, judgement, judged_at=judged_at, switched_at=switched_at, now=now)


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()
