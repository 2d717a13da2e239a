"""Calls the service at ADDRESS with KEY through the client that openapi-python-client made of its document,
and prints what came of it. mypy reads this with the generated package, which has no types where the tests
alone are checked."""

import json
import os
from typing import TypeVar

from heliscore_client import AuthenticatedClient
from heliscore_client.api.evaluation import compare_groups
from heliscore_client.api.monitors import create_monitor, list_monitors
from heliscore_client.api.prompt_layer import promptlayer_log_request, promptlayer_track_score
from heliscore_client.api.requests import query_requests
from heliscore_client.api.score_definitions import get_definition, put_definition
from heliscore_client.api.scores import post_batch, post_feedback, post_scores
from heliscore_client.models import (
    BatchItem,
    BatchMode,
    ByProperty,
    CommentedScoreMap,
    CompareGroupsBody,
    Error,
    FilterBranch,
    FilterBranchOperator,
    FilterLeaf,
    FilterNot,
    JsonObject,
    MonitorCondition,
    MonitorFields,
    MonitorStatistic,
    PostBatchBody,
    PostFeedbackBody,
    PostScoresBody,
    PromptLayerError,
    PromptlayerLogRequestBody,
    PromptLayerScoreTracking,
    RequestQuery,
    ScoreDefinitionFields,
    ScoreDirection,
    ScoreMap,
    ScoreType,
)

T = TypeVar("T")


def done(answer: T | Error | PromptLayerError | None) -> T:
    """The answer of a call that succeeded."""
    if answer is None or isinstance(answer, Error | PromptLayerError):
        raise RuntimeError(f"the call failed: {answer}")
    return answer


def scored(name: str, least: int) -> FilterLeaf:
    return FilterLeaf.from_dict({"request_response_rmt": {"scores": {name: {"gte": least}}}})


def call(client: AuthenticatedClient) -> None:
    accuracy = ScoreDefinitionFields(ScoreType.INTEGER, min_=0, max_=100, direction=ScoreDirection.HIGHER)
    done(put_definition.sync("accuracy", client=client, body=accuracy))
    definition = done(get_definition.sync("accuracy", client=client)).data

    scores = ScoreMap.from_dict({"accuracy": 95, "cited": True})
    done(post_scores.sync("one", client=client, body=PostScoresBody(scores), idempotency_key="a"))
    done(post_feedback.sync("one", client=client, body=PostFeedbackBody(rating=True)))
    two = BatchItem("two", CommentedScoreMap.from_dict({"accuracy": {"value": 40, "comment": "vague"}}))
    batch = done(post_batch.sync(client=client, body=PostBatchBody([two], mode=BatchMode.ATOMIC))).data

    tree = FilterBranch(scored("accuracy", 1), FilterBranchOperator.AND, FilterNot(scored("accuracy", 50)))
    rows = done(query_requests.sync(client=client, body=RequestQuery(tree))).data
    everything = done(query_requests.sync(client=client, body=RequestQuery("all", limit=1)))
    refused = query_requests.sync(client=client, body=RequestQuery("all", limit=5000))

    by_property = CompareGroupsBody("all", ["accuracy"], ByProperty("variant"))
    [group] = done(compare_groups.sync(client=client, body=by_property)).data

    watched = MonitorFields(
        "accuracy", MonitorStatistic.AVERAGE, MonitorCondition(below=70), score="accuracy"
    )
    made = done(create_monitor.sync(client=client, body=watched)).data
    monitors = done(list_monitors.sync(client=client)).data

    chat = JsonObject.from_dict({"type": "chat", "messages": []})
    logged = done(
        promptlayer_log_request.sync(
            client=client,
            body=PromptlayerLogRequestBody(chat, chat, 1767225600.0, 1767225601.25, "openai", "m"),
        )
    )
    tracked = done(
        promptlayer_track_score.sync(client=client, body=PromptLayerScoreTracking(logged.id, score=88))
    )
    print(
        json.dumps(
            {
                "definition": [definition.name, definition.type_.value, definition.max_],
                "batch": [batch.accepted, batch.rejected],
                "found": [[row.request_id, row.scores.to_dict()] for row in rows],
                "page": [len(everything.data), isinstance(everything.next_cursor, str)],
                "refused": refused.error if isinstance(refused, Error) else None,
                "compared": [group.group, group.scores["accuracy"].average],
                "monitors": [[one.id == made.id, one.name, one.condition.below] for one in monitors],
                "tracked": tracked.success,
            }
        )
    )


call(AuthenticatedClient(base_url=os.environ["ADDRESS"], token=os.environ["KEY"]))
