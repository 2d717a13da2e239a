from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import pytest
from heliscore.api.http.resources import Method, make_routes
from heliscore.domain.errors import ApiError
from starlette.requests import Request
from starlette.responses import Response


class Found(NamedTuple):
    path: str
    method: str = "GET"


async def answer(_: Method, __: Request) -> Response:
    return Response()


def render_error(_: ApiError, __: Method, ___: Request) -> Response:
    return Response()


@pytest.mark.parametrize("paths", list(permutations(("/a/{id}", "/a/b", "/{x}/b", "/a/{id}/c"))))
def test_path_without_a_parameter_comes_before_one_that_would_match_it(paths: tuple[str, ...]) -> None:
    routes = make_routes(map(Found, paths), answer, render_error)
    found = [route.path.replace(":segment", "") for route in routes]
    assert sorted(found) == sorted(paths)
    assert found.index("/a/b") < min(found.index("/a/{id}"), found.index("/{x}/b"))
