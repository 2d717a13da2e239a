from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from statistics import mean

import msgspec
import pytest
from heliscore.demo.features import FEATURES, SUPPORT, SUPPORT_RELEASED
from heliscore.demo.traffic import ID_PREFIX, DemoRequest, make_requests
from heliscore.domain.score import FEEDBACK
from heliscore.providers.exchange import read_usage

NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)
RELEASED_AT = NOW - timedelta(days=6)


def demo_requests(count: int = 4000, days: int = 30, seed: int = 1) -> list[DemoRequest]:
    return list(make_requests(7, count=count, days=days, seed=seed, now=NOW))


@pytest.fixture(scope="module")
def month() -> list[DemoRequest]:
    return demo_requests()


def properties(demo_request: DemoRequest) -> dict[str, str]:
    return msgspec.json.decode(demo_request.logged.properties, type=dict[str, str])


def average(month: list[DemoRequest], score: str) -> float:
    return mean(demo_request.scores[score].value for demo_request in month if score in demo_request.scores)


def of_version(month: list[DemoRequest], version: str) -> list[DemoRequest]:
    return [demo_request for demo_request in month if demo_request.logged.prompt_version == version]


def of_variant(month: list[DemoRequest], variant: str) -> list[DemoRequest]:
    return [demo_request for demo_request in month if properties(demo_request)["variant"] == variant]


def test_same_arguments_give_the_same_demo_requests() -> None:
    assert demo_requests(300) == demo_requests(300)


def test_other_seed_gives_other_demo_requests() -> None:
    ids = [
        {demo_request.logged.request_id for demo_request in demo_requests(300, seed=seed)} for seed in (1, 2)
    ]
    assert [len(each) for each in ids] == [300, 300]
    assert ids[0].isdisjoint(ids[1])
    assert all(id_.startswith(ID_PREFIX) for each in ids for id_ in each)


@pytest.mark.parametrize(("count", "days"), [(1, 1), (50, 1), (500, 365)])
def test_times_rise_within_the_period_in_milliseconds(count: int, days: int) -> None:
    times = [demo_request.logged.created_at for demo_request in demo_requests(count, days)]
    assert len(times) == count
    assert times == sorted(times)
    assert NOW - timedelta(days=days) <= times[0]
    assert times[-1] < NOW
    assert all(time.microsecond % 1000 == 0 for time in times)


def test_days_are_busier_than_nights_and_weekends(month: list[DemoRequest]) -> None:
    hours = Counter(demo_request.logged.created_at.hour for demo_request in month)
    assert sum(hours[hour] for hour in range(9, 15)) > 5 * sum(hours[hour] for hour in range(6))
    days = Counter(demo_request.logged.created_at.weekday() for demo_request in month)
    assert max(days[5], days[6]) < min(days[day] for day in range(5))


def test_share_without_scores_is_15_percent(month: list[DemoRequest]) -> None:
    assert 0.13 < mean(not demo_request.scores for demo_request in month) < 0.17


def test_few_requests_fail_and_those_have_no_scores(month: list[DemoRequest]) -> None:
    failed = [demo_request for demo_request in month if demo_request.logged.status != 200]
    assert {demo_request.logged.status for demo_request in failed} == {429, 500, 503}
    assert 0.01 < len(failed) / len(month) < 0.03
    assert {demo_request.posts for demo_request in failed} == {()}


def test_scores_are_those_of_the_feature(month: list[DemoRequest]) -> None:
    judged = {feature.name: feature.judged for feature in FEATURES}
    booleans = {"has_citations", "is_hallucinated", FEEDBACK}
    for demo_request in month:
        if demo_request.scores:
            assert {post.request_id for post in demo_request.posts} == {demo_request.logged.request_id}
            assert demo_request.scores.keys() - {FEEDBACK} == judged[properties(demo_request)["feature"]]
            for name, score in demo_request.scores.items():
                assert score.is_boolean == (name in booleans)
                assert 0 <= score.value <= (1 if score.is_boolean else 100)


def test_scores_are_given_by_judges_a_check_the_shop_and_people(month: list[DemoRequest]) -> None:
    names: dict[str, set[str]] = {}
    for post in (post for demo_request in month for post in demo_request.posts):
        names.setdefault(str(post.origin.author), set()).update(post.scores)
    judged = {"accuracy", "relevance", "faithfulness", "toxicity", "is_hallucinated"}
    assert names == {
        "judge:relevance-judge@1": judged,
        "judge:relevance-judge@2": judged,
        "code:format-check": {"has_citations"},
        "api:shop": {FEEDBACK},
        "human:ada": {"accuracy", "relevance"},
        "human:bob": {"accuracy", "relevance"},
    }


def test_people_correct_one_answer_in_twelve_and_say_why(month: list[DemoRequest]) -> None:
    scored = [demo_request for demo_request in month if demo_request.scores]
    corrected = [
        one for one in scored if one.posts[-1].origin.author.kind == "human" and one.posts[-1].comments
    ]
    assert 0.06 < len(corrected) / len(scored) < 0.11
    for *earlier, last in (one.posts for one in corrected):
        [name] = last.scores
        assert last.comments.keys() == {name}
        before = {name: score for post in earlier for name, score in post.scores.items()}
        assert 12 <= abs(before[name].value - last.scores[name].value) <= 35


def test_people_read_a_fifth_of_the_others_by_chance_and_mostly_agree(month: list[DemoRequest]) -> None:
    scored = [demo_request for demo_request in month if demo_request.scores]
    people = [[post for post in one.posts if post.origin.author.kind == "human"] for one in scored]
    read = [posts for posts in people if posts and not posts[-1].comments]
    assert 0.15 < len(read) / len(scored) < 0.22
    assert {len({post.origin.author for post in posts}) for posts in read} == {1, 2}
    apart = []
    for one in scored:
        judged: dict[str, int] = {}
        for post in one.posts:
            if post.origin.author.kind == "judge":
                judged |= {name: score.value for name, score in post.scores.items()}
            if post.origin.author.kind == "human" and not post.comments:
                assert post.scores.keys() == {"accuracy", "relevance"}
                apart += [abs(score.value - judged[name]) for name, score in post.scores.items()]
    assert mean(distance <= 5 for distance in apart) > 0.8


def test_items_of_staging_are_answered_by_both_variants(month: list[DemoRequest]) -> None:
    asked: dict[str, set[str]] = {}
    variants: dict[str, set[str]] = {}
    for demo_request in month:
        its = properties(demo_request)
        assert ("item" in its) == (its["env"] == "staging")
        if "item" in its and demo_request.scores:
            body = msgspec.json.decode(demo_request.logged.request_body or "")
            asked.setdefault(its["item"], set()).add(body["messages"][-1]["content"])
            variants.setdefault(its["item"], set()).add(its["variant"])
    assert {len(questions) for questions in asked.values()} == {1}
    assert mean(found == {"A", "B"} for found in variants.values()) > 0.9


def test_newer_judge_took_over_in_the_middle(month: list[DemoRequest]) -> None:
    again = 0
    for demo_request in month:
        judges = [post.origin.author for post in demo_request.posts if post.origin.author.kind == "judge"]
        is_newer = demo_request.logged.created_at >= NOW - timedelta(days=15)
        again += len(judges) == 2
        assert [author.version for author in judges] in ([["2"], []] if is_newer else [["1"], ["1", "2"], []])
        assert [post.posted_at for post in demo_request.posts] == sorted(
            post.posted_at for post in demo_request.posts
        )
    assert 0.03 < again / len(month) < 0.06


def test_thumbs_are_on_a_part_of_what_customers_got(month: list[DemoRequest]) -> None:
    thumbed = {
        properties(demo_request)["feature"] for demo_request in month if FEEDBACK in demo_request.scores
    }
    assert thumbed == {SUPPORT.name}


def test_release_made_answers_less_relevant(month: list[DemoRequest]) -> None:
    before, after = (str(feature.version) for feature in (SUPPORT, SUPPORT_RELEASED))
    support = [demo_request for demo_request in month if demo_request.logged.prompt_id == SUPPORT.prompt_id]
    for demo_request in support:
        at = demo_request.logged.created_at
        if properties(demo_request)["env"] == "staging":
            at += timedelta(days=1)
        assert demo_request.logged.prompt_version == (after if at >= RELEASED_AT else before)
    old, new = (
        {score: average(of_version(support, version), score) for score in ("relevance", "accuracy", FEEDBACK)}
        for version in (before, after)
    )
    assert old["relevance"] - new["relevance"] > 15
    assert abs(old["accuracy"] - new["accuracy"]) < 3
    assert old[FEEDBACK] - new[FEEDBACK] > 0.1


def test_variant_b_is_more_accurate_and_slower(month: list[DemoRequest]) -> None:
    a, b = of_variant(month, "A"), of_variant(month, "B")
    assert 3 < average(b, "accuracy") - average(a, "accuracy") < 7
    slow_a, slow_b = (mean(demo_request.logged.latency_ms or 0 for demo_request in half) for half in (a, b))
    assert 1.05 < slow_b / slow_a < 1.25


def test_answer_that_is_made_up_is_a_poor_one(month: list[DemoRequest]) -> None:
    scored = [demo_request for demo_request in month if demo_request.scores]
    made_up, sound = (
        [demo_request for demo_request in scored if demo_request.scores["is_hallucinated"].value == value]
        for value in (1, 0)
    )
    assert average(made_up, "accuracy") < 60 < average(sound, "accuracy")


def test_citations_are_there_where_the_score_says_so(month: list[DemoRequest]) -> None:
    for demo_request in month:
        if demo_request.scores and (score := demo_request.scores.get("has_citations")):
            assert bool(re.search(r"\[\d\]", demo_request.logged.response_body or "")) == bool(score.value)


def test_conversations_are_many_and_have_no_gaps(month: list[DemoRequest]) -> None:
    assert len({exchange.turns for feature in FEATURES for exchange in feature.exchanges}) >= 40
    bodies = [
        f"{demo_request.logged.request_body}{demo_request.logged.response_body}" for demo_request in month
    ]
    assert [body for body in bodies if re.search(r"\$\w", body)] == []
    turns = Counter(body.count('"role":"user"') for body in bodies)
    assert turns[2] > 100


def test_columns_are_what_logging_the_bodies_gives(month: list[DemoRequest]) -> None:
    for demo_request in month:
        request = demo_request.logged
        sent, received = (
            msgspec.json.decode(body or "{}") for body in (request.request_body, request.response_body)
        )
        assert request.request_model == sent["model"]
        assert request.response_model == received.get("model")
        assert request.response_id == received.get("id")
        for column, tokens in msgspec.structs.asdict(read_usage(received)).items():
            if column != "cost_usd":
                assert getattr(request, column) == (tokens or None)


def test_several_models_of_several_providers_answer(month: list[DemoRequest]) -> None:
    models = {(demo_request.logged.provider, demo_request.logged.request_model) for demo_request in month}
    assert models == {
        ("OPENAI", "gpt-4.1"),
        ("OPENAI", "gpt-4.1-mini"),
        ("ANTHROPIC", "claude-sonnet-4-5"),
        ("GOOGLE", "gemini-2.5-flash"),
    }
