"""Which URLs may be called: a table, with the system's own resolver and with one that lies."""

from __future__ import annotations

import pytest
from heliscore.domain.network_addresses import read_allowed_hosts
from heliscore.outbound.guard import Forbidden, Guard, NotFound, Resolve, resolve

PUBLIC = "93.184.215.14"


def resolver(*addresses: str) -> Resolve:
    """A resolver that gives every host these addresses."""

    async def give(_: str, __: int) -> list[str]:
        return list(addresses)

    return give


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",  # noqa: S104
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.127.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::5db8:d70e",
        "2002:7f00:1::1",
        "2002:a00:1::",
        "2001:0:5db8:d70e::1",
        "2001:db8::1",
        "3fff::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%1",
        "fec0::1",
        "ff02::1",
        "100::1",
        "5f00::1",
    ],
)
async def test_address_that_is_not_public_is_forbidden(address: str) -> None:
    with pytest.raises(Forbidden, match="not public"):
        await Guard((), resolver(address)).find_target("https://receiver.test/")
    with pytest.raises(Forbidden, match="not public"):  # also beside a public one
        await Guard((), resolver(PUBLIC, address)).find_target("https://receiver.test/")


@pytest.mark.parametrize(
    "address",
    [
        PUBLIC,
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.0",
        "172.32.0.1",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
    ],
)
async def test_public_address_is_found(address: str) -> None:
    target = await Guard((), resolver(address)).find_target("https://receiver.test/a?b=c")
    assert (target.host, target.addresses) == ("receiver.test", [address])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:169.254.169.254]",
        "169.254.169.254",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "127.0.0.1.",
        "\uff11\uff12\uff17.\uff10.\uff10.\uff11",  # fullwidth digits
        "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",  # digits in circles
    ],
)
async def test_no_spelling_of_this_machine_gets_through(host: str) -> None:
    with pytest.raises((Forbidden, NotFound)):
        await Guard(()).find_target(f"https://{host}/")


async def test_name_that_no_script_writes_is_asked_for_as_it_is() -> None:
    asked = []

    async def find_none(host: str, _: int) -> list[str]:
        asked.append(host)
        raise OSError

    with pytest.raises(NotFound):
        await Guard((), find_none).find_target("https://xn--/")
    assert asked == ["xn--"]


async def test_resolver_of_the_system_knows_this_machine() -> None:
    assert await resolve("127.0.0.1", 443) == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://receiver.test/", "expected https://"),
        ("ftp://receiver.test/", "expected an https:// URL"),
        ("file:///etc/passwd", "expected an https:// URL"),
        ("receiver.test", "expected an https:// URL"),
        ("//receiver.test/", "expected an https:// URL"),
        ("https:///path", "expected an https:// URL"),
        ("https://.", "expected an https:// URL"),
        ("https://a..b/", "expected an https:// URL"),
        ("https://exa mple.com/", "expected an https:// URL"),
        ("https://receiver.test:0/", "a URL's port is from 1 to 65535"),
        ("https://receiver.test:99999/", "a URL's port is from 1 to 65535"),
        ("https://receiver.test/\r\nHost: other", "expected an https:// URL"),
        ("https://receiver.test/" + "a" * 2048, "expected an https:// URL"),
        ("https://user@receiver.test/", "must not hold a user"),
        ("https://user:hunter2@receiver.test/", "must not hold a user"),
        ("https://receiver.test:25/", "port 25 is for other protocols"),
        ("https://receiver.test:80/", "port 80 is for other protocols"),
    ],
)
async def test_url_that_is_not_one_of_a_receiver_is_forbidden(url: str, reason: str) -> None:
    with pytest.raises(Forbidden) as raised:
        await Guard((), resolver(PUBLIC)).find_target(url)
    assert str(raised.value).startswith((reason, f"a URL {reason}"))
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("allowed", "url", "address", "is_allowed"),
    [
        ("127.0.0.1", "http://127.0.0.1:25/", "127.0.0.1", True),
        ("127.0.0.1:8080", "http://127.0.0.1:8080/", "127.0.0.1", True),
        ("127.0.0.1:8080", "http://127.0.0.1:8081/", "127.0.0.1", False),
        ("10.0.0.0/8", "http://hooks.internal/", "10.1.2.3", True),
        ("10.0.0.0/8", "http://hooks.internal/", "::ffff:10.1.2.3", True),
        ("10.0.0.0/8", "http://hooks.internal/", "11.1.2.3", False),
        ("10.0.0.0/8", "https://hooks.internal/", "192.168.0.1", False),
        ("hooks.internal", "http://HOOKS.internal./", "192.168.0.1", True),
        ("Hooks.Internal.", "https://hooks.internal:81/", "192.168.0.1", True),
        ("hooks.internal:8443", "https://hooks.internal:8443/", "fd00::1", True),
        ("hooks.internal:8443", "https://hooks.internal/", "fd00::1", False),
        ("hooks.internal", "https://other.hooks.internal/", "10.0.0.1", False),
        ("[::1]:9000, fd00::/8", "http://[::1]:9000/", "::1", True),
        ("[::1]:9000, fd00::/8", "http://[::1]:9001/", "::1", False),
        ("[::1]:9000, fd00::/8", "http://x.test/", "fd00::1", True),
        ("", "http://receiver.test/", PUBLIC, False),
    ],
)
async def test_what_is_listed_is_allowed_and_nothing_else(
    allowed: str, url: str, address: str, is_allowed: bool
) -> None:
    guard = Guard(read_allowed_hosts(allowed), resolver(address))
    if is_allowed:
        assert (await guard.find_target(url)).addresses == [address]
    else:
        with pytest.raises(Forbidden):
            await guard.find_target(url)


async def test_listed_address_excuses_no_other_of_the_same_name() -> None:
    guard = Guard(read_allowed_hosts("10.0.0.0/8"), resolver("10.0.0.1", "192.168.0.1"))
    with pytest.raises(Forbidden):
        await guard.find_target("https://hooks.internal/")


async def test_name_without_an_address_is_no_forbidden_one() -> None:
    with pytest.raises(NotFound, match="leads to no address"):
        await Guard(()).find_target("https://nothing.invalid/")
