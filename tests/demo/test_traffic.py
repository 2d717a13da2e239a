from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from statistics import mean

import msgspec
import pytest
from heliscore.api.shared.logged_bodies import read_tokens
from heliscore.demo.features import FEATURES, SUPPORT, SUPPORT_RELEASED
from heliscore.demo.traffic import ID_PREFIX, Visit, make_visits
from heliscore.domain.score import FEEDBACK

NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)
RELEASED_AT = NOW - timedelta(days=6)


def visits(count: int = 4000, days: int = 30, seed: int = 1) -> list[Visit]:
    return list(make_visits(7, count=count, days=days, seed=seed, now=NOW))


@pytest.fixture(scope="module")
def month() -> list[Visit]:
    return visits()


def properties(visit: Visit) -> dict[str, str]:
    return msgspec.json.decode(visit.request.properties, type=dict[str, str])


def average(month: list[Visit], score: str) -> float:
    return mean(
        visit.post.scores[score].value for visit in month if visit.post and score in visit.post.scores
    )


def of_version(month: list[Visit], version: str) -> list[Visit]:
    return [visit for visit in month if visit.request.prompt_version == version]


def of_variant(month: list[Visit], variant: str) -> list[Visit]:
    return [visit for visit in month if properties(visit)["variant"] == variant]


def test_same_arguments_give_the_same_visits() -> None:
    assert visits(300) == visits(300)


def test_other_seed_gives_other_visits() -> None:
    ids = [{visit.request.request_id for visit in visits(300, seed=seed)} for seed in (1, 2)]
    assert [len(each) for each in ids] == [300, 300]
    assert ids[0].isdisjoint(ids[1])
    assert all(id_.startswith(ID_PREFIX) for each in ids for id_ in each)


@pytest.mark.parametrize(("count", "days"), [(1, 1), (50, 1), (500, 365)])
def test_times_rise_within_the_period_in_milliseconds(count: int, days: int) -> None:
    times = [visit.request.created_at for visit in visits(count, days)]
    assert len(times) == count
    assert times == sorted(times)
    assert NOW - timedelta(days=days) <= times[0]
    assert times[-1] < NOW
    assert all(time.microsecond % 1000 == 0 for time in times)


def test_days_are_busier_than_nights_and_weekends(month: list[Visit]) -> None:
    hours = Counter(visit.request.created_at.hour for visit in month)
    assert sum(hours[hour] for hour in range(9, 15)) > 5 * sum(hours[hour] for hour in range(6))
    days = Counter(visit.request.created_at.weekday() for visit in month)
    assert max(days[5], days[6]) < min(days[day] for day in range(5))


def test_share_without_scores_is_15_percent(month: list[Visit]) -> None:
    assert 0.13 < mean(visit.post is None for visit in month) < 0.17


def test_few_requests_fail_and_those_have_no_scores(month: list[Visit]) -> None:
    failed = [visit for visit in month if visit.request.status != 200]
    assert {visit.request.status for visit in failed} == {429, 500, 503}
    assert 0.01 < len(failed) / len(month) < 0.03
    assert {visit.post for visit in failed} == {None}


def test_scores_are_those_of_the_feature(month: list[Visit]) -> None:
    judged = {feature.name: feature.judged for feature in FEATURES}
    booleans = {"has_citations", "is_hallucinated", FEEDBACK}
    for visit in month:
        if visit.post:
            assert visit.post.request_id == visit.request.request_id
            assert visit.post.scores.keys() - {FEEDBACK} == judged[properties(visit)["feature"]]
            for name, score in visit.post.scores.items():
                assert score.is_boolean == (name in booleans)
                assert 0 <= score.value <= (1 if score.is_boolean else 100)


def test_thumbs_are_on_a_part_of_what_customers_got(month: list[Visit]) -> None:
    thumbed = {
        properties(visit)["feature"] for visit in month if visit.post and FEEDBACK in visit.post.scores
    }
    assert thumbed == {SUPPORT.name}


def test_release_made_answers_less_relevant(month: list[Visit]) -> None:
    before, after = (str(feature.version) for feature in (SUPPORT, SUPPORT_RELEASED))
    support = [visit for visit in month if visit.request.prompt_id == SUPPORT.prompt_id]
    for visit in support:
        at = visit.request.created_at
        if properties(visit)["env"] == "staging":
            at += timedelta(days=1)
        assert visit.request.prompt_version == (after if at >= RELEASED_AT else before)
    old, new = (
        {score: average(of_version(support, version), score) for score in ("relevance", "accuracy", FEEDBACK)}
        for version in (before, after)
    )
    assert old["relevance"] - new["relevance"] > 15
    assert abs(old["accuracy"] - new["accuracy"]) < 3
    assert old[FEEDBACK] - new[FEEDBACK] > 0.1


def test_variant_b_is_more_accurate_and_slower(month: list[Visit]) -> None:
    a, b = of_variant(month, "A"), of_variant(month, "B")
    assert 3 < average(b, "accuracy") - average(a, "accuracy") < 7
    slow_a, slow_b = (mean(visit.request.latency_ms or 0 for visit in half) for half in (a, b))
    assert 1.05 < slow_b / slow_a < 1.25


def test_answer_that_is_made_up_is_a_poor_one(month: list[Visit]) -> None:
    scored = [visit for visit in month if visit.post]
    made_up, sound = (
        [visit for visit in scored if visit.post and visit.post.scores["is_hallucinated"].value == value]
        for value in (1, 0)
    )
    assert average(made_up, "accuracy") < 60 < average(sound, "accuracy")


def test_citations_are_there_where_the_score_says_so(month: list[Visit]) -> None:
    for visit in month:
        if visit.post and (score := visit.post.scores.get("has_citations")):
            assert bool(re.search(r"\[\d\]", visit.request.response_body or "")) == bool(score.value)


def test_conversations_are_many_and_have_no_gaps(month: list[Visit]) -> None:
    assert len({exchange.turns for feature in FEATURES for exchange in feature.exchanges}) >= 40
    bodies = [f"{visit.request.request_body}{visit.request.response_body}" for visit in month]
    assert [body for body in bodies if re.search(r"\$\w", body)] == []
    turns = Counter(body.count('"role":"user"') for body in bodies)
    assert turns[2] > 100


def test_columns_are_what_logging_the_bodies_gives(month: list[Visit]) -> None:
    for visit in month:
        request = visit.request
        sent, received = (
            msgspec.json.decode(body or "{}") for body in (request.request_body, request.response_body)
        )
        assert request.request_model == sent["model"]
        assert request.response_model == received.get("model")
        assert request.response_id == received.get("id")
        for column, tokens in read_tokens(received).items():
            assert getattr(request, column) == (tokens or None)


def test_several_models_of_several_providers_answer(month: list[Visit]) -> None:
    models = {(visit.request.provider, visit.request.request_model) for visit in month}
    assert models == {
        ("OPENAI", "gpt-4.1"),
        ("OPENAI", "gpt-4.1-mini"),
        ("ANTHROPIC", "claude-sonnet-4-5"),
        ("GOOGLE", "gemini-2.5-flash"),
    }
