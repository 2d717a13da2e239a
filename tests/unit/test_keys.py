from __future__ import annotations

import re

import pytest
from heliscore.domain.api_key import (
    Permissions,
    Principal,
    find_key_error,
    hash_key,
    hint_of,
    is_placeholder,
    mint_key,
)

from tests.origins import JUDGE


def test_minted_key_has_helicones_format() -> None:
    assert re.fullmatch(r"sk-helicone(-[a-z0-9]{7}){4}", mint_key())


def test_minted_key_can_be_registered() -> None:
    assert find_key_error(mint_key()) is None


def test_minted_keys_differ() -> None:
    assert len({mint_key() for _ in range(1000)}) == 1000


def test_key_is_hashed_with_sha256() -> None:
    assert hash_key("sk-helicone-abc").hex() == (
        "63ec0f33880d7bd9779f180c61d96357477515f517d9c8c72bacc25342c3f9c3"
    )


def test_key_of_bytes_that_are_not_utf8_is_hashed_as_it_came() -> None:
    assert hash_key(b"\xff".decode("utf-8", "surrogateescape")).hex() == (
        "a8100ae6aa1940d0b663bb31cd466142ebbdbd5187131b92d93818987832eb89"
    )


def test_hint_is_the_end_of_the_key() -> None:
    assert hint_of("sk-helicone-aaaaaaa-bbbbbbb-ccccccc-dddwxyz") == "…wxyz"


@pytest.mark.parametrize("key", ["a" * 16, "a" * 200, "sk-OLD/key+with=signs!~"])
def test_foreign_key_can_be_registered(key: str) -> None:
    assert find_key_error(key) is None


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("", "expected 16 to 200 characters, got 0"),
        ("a" * 15, "expected 16 to 200 characters, got 15"),
        ("a" * 201, "expected 16 to 200 characters, got 201"),
        ("sixteen character", "expected printable ASCII characters without spaces"),
        ("sixteen\tcharacters", "expected printable ASCII characters without spaces"),
        ("sixteen-charäcters", "expected printable ASCII characters without spaces"),
        ("sixteen-chars-and\0", "expected printable ASCII characters without spaces"),
        ("sixteen-chars-and\n", "expected printable ASCII characters without spaces"),
    ],
)
def test_key_is_refused(key: str, error: str) -> None:
    assert find_key_error(key) == error


@pytest.mark.parametrize(
    "key",
    [
        "changeme-changeme",
        "CHANGE-ME-IN-PRODUCTION",
        "secretsecretsecret",
        "my_super_secret_password_1",
        "test-key-1234567",
        "testtesttesttest",
        "your-api-key-here",
        "sk-helicone-your-key-here",
        "sk-helicone-xxxxxxx-xxxxxxx-xxxxxxx-xxxxxxx",
        "sk-helicone-abcdefg-1234567-xxxxxxx-0000000",
        "sk-helicone-aaaaaaa-bbbbbbb-ccccccc-ddddddd",
        "pl_1234567890123456",
        "0123456789abcdef",
        "aaaaaaaaaaaaaaaaaaaaaaaa",
        "abcabcabcabcabcabcabcabc",
        "abcdefgh-abcdefgh-abcdefgh",
    ],
)
def test_key_of_a_manual_is_a_placeholder(key: str) -> None:
    assert is_placeholder(key)


@pytest.mark.parametrize(
    "key",
    [
        "sk-helicone-k3v9x1q-p0z7m2c-a8d4f6h-j5l1n9r",
        "test_4f9a8e7c6b5d4f9a",
        "pl_9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d",
        "correct-horse-battery-staple",
    ],
)
def test_key_of_somebody_is_none(key: str) -> None:
    assert not is_placeholder(key)


def test_minted_key_is_no_placeholder() -> None:
    assert [key for key in (mint_key() for _ in range(2000)) if is_placeholder(key)] == []


@pytest.mark.parametrize(
    ("permissions", "needed", "may"),
    [
        ("rw", "r", True),
        ("rw", "w", True),
        ("rw", "rw", True),
        ("r", "r", True),
        ("r", "w", False),
        ("r", "rw", False),
        ("w", "r", False),
        ("w", "w", True),
        ("w", "rw", False),
    ],
)
def test_principal_may_what_the_key_allows(permissions: Permissions, needed: Permissions, may: bool) -> None:
    assert Principal(1, 2, permissions, None, JUDGE).may(needed) is may
