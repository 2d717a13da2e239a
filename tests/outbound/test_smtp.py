"""E-mail through a mail server on this machine."""

from __future__ import annotations

import socket

import pytest
from heliscore.domain.mail_server import MailServer, is_mail_address, read_mail_server
from heliscore.outbound.http_client import Answer
from heliscore.outbound.smtp import Mail, Mailer, make_message
from hypothesis import given
from hypothesis import strategies as st

from tests.outbound.mail_receiver import MailReceiver
from tests.outbound.receiver import trusting

SENDER = "heliscore@example.org"
MAIL = Mail(id="1", subject="Relevance fell", text="Relevance fell by 21 points \u2013 see above.\n.\nEnd\n")


@pytest.fixture
def name_of_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have mail.test, for which the certificate is, lead to this machine."""
    look_up = socket.getaddrinfo

    def here(host: str, *rest: object, **named: object) -> object:
        return look_up("127.0.0.1" if host == "mail.test" else host, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", here)


def server(url: str, port: int) -> MailServer:
    return read_mail_server(url.format(port))


async def test_email_is_handed_over() -> None:
    async with MailReceiver().listening() as receiver:
        mailer = Mailer(server(f"smtp://127.0.0.1:{{}}?from={SENDER}", receiver.port))
        assert await mailer.send("ops@example.org", MAIL) == Answer()
    [(sender, to, mail)] = receiver.mails
    assert (sender, to) == (SENDER, "ops@example.org")
    assert {name: mail[name] for name in ("From", "To", "Subject", "Message-ID", "Auto-Submitted")} == {
        "From": f"Heliscore <{SENDER}>",
        "To": "ops@example.org",
        "Subject": "Relevance fell",
        "Message-ID": "<1@example.org>",
        "Auto-Submitted": "auto-generated",
    }
    assert mail.get_content() == MAIL.text.replace("\n", "\r\n").replace("\r\n.\r\n", "\r\n..\r\n")


@pytest.mark.usefixtures("name_of_here")
async def test_connection_is_encrypted_where_the_server_offers_it() -> None:
    async with MailReceiver(starttls=True, password="hunter2").listening() as receiver:
        url = f"smtp://user:hunter2@mail.test:{{}}?from={SENDER}"
        mailer = Mailer(server(url, receiver.port), trusted=trusting())
        assert await mailer.send("ops@example.org", MAIL) == Answer()
    assert (receiver.secured, len(receiver.mails)) == (1, 1)


@pytest.mark.usefixtures("name_of_here")
async def test_connection_is_encrypted_from_the_start() -> None:
    async with MailReceiver().listening(tls=True) as receiver:
        mailer = Mailer(server(f"smtps://mail.test:{{}}?from={SENDER}", receiver.port), trusted=trusting())
        assert await mailer.send("ops@example.org", MAIL) == Answer()
    assert len(receiver.mails) == 1


@pytest.mark.usefixtures("name_of_here")
@pytest.mark.parametrize(
    "url",
    ["smtp://user:hunter2@mail.test:{}?from=a@b.org", "smtp://127.0.0.1:{}?from=a@b.org&starttls=required"],
)
async def test_nothing_is_sent_in_the_clear_that_must_not_be(url: str) -> None:
    async with MailReceiver(password="hunter2").listening() as receiver:
        assert await Mailer(server(url, receiver.port)).send("ops@example.org", MAIL) == Answer(
            error="the mail server has no STARTTLS, without which neither e-mail nor password is sent"
        )
    assert receiver.mails == []


@pytest.mark.usefixtures("name_of_here")
async def test_certificate_of_another_is_an_error() -> None:
    async with MailReceiver(starttls=True).listening() as receiver:
        mailer = Mailer(server(f"smtp://127.0.0.1:{{}}?from={SENDER}", receiver.port), trusted=trusting())
        answer = await mailer.send("ops@example.org", MAIL)
    assert answer.error is not None
    assert answer.error.startswith("the mail server's certificate is not valid: IP address mismatch")


async def test_errors_of_the_server_are_explained() -> None:
    async with MailReceiver(password="other").listening() as receiver:
        receiver.refuse = "nobody@example.org"
        mailer = Mailer(server(f"smtp://127.0.0.1:{{}}?from={SENDER}", receiver.port))
        assert await mailer.send("nobody@example.org", MAIL) == Answer(
            error="the mail server does not take the address: 550"
        )
        mailer = Mailer(server(f"smtp://user:hunter2@127.0.0.1:{{}}?from={SENDER}", receiver.port))
        assert await mailer.send("ops@example.org", MAIL) == Answer(
            error="the mail server does not take the user and the password of HELISCORE_SMTP_URL"
        )
    mailer = Mailer(server(f"smtp://127.0.0.1:{{}}?from={SENDER}", 1))
    assert await mailer.send("ops@example.org", MAIL) == Answer(
        error="no connection to the mail server: Connection refused"
    )


async def test_server_that_stalls_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"smtp://127.0.0.1:{listener.getsockname()[1]}?from={SENDER}"
        answer = await Mailer(read_mail_server(url), timeout_s=0.1).send("ops@example.org", MAIL)
    assert answer == Answer(error="the mail server did not answer in time")


def test_no_subject_begins_a_header() -> None:
    subject = "fell\r\nBcc: other@example.org\r\n\r\nbody\x00\u2028" + "a" * 500
    message = make_message(SENDER, "ops@example.org", Mail(id="1", subject=subject, text="text"))
    head = message.as_bytes().partition(b"\r\n\r\n")[0]
    assert message["Bcc"] is None
    assert not any(line.startswith(b"Bcc") for line in head.split(b"\r\n"))
    assert str(message["Subject"]).startswith("fell Bcc: other@example.org body aaaa")
    assert len(message["Subject"]) == 200


@given(st.from_regex(r"[!#-'*+\-./0-9=?A-Z^_`a-z{|}~]{1,70}@[A-Za-z0-9.-]{1,70}", fullmatch=True), st.text())
def test_every_address_and_text_that_is_taken_can_be_sent(address: str, text: str) -> None:
    if is_mail_address(address):
        message = make_message(address, address, Mail(id="1", subject=text, text=text))
        assert (message["To"], message["From"]) == (address, f"Heliscore <{address}>")
        assert message.as_bytes()


@pytest.mark.parametrize(
    ("address", "is_one"),
    [
        ("ops@example.org", True),
        ("first.last+tag@mail.example.org", True),
        ("ops@example.org\r\nBcc: x@y.org", False),
        ("ops@example.org\n", False),
        ("Ops <ops@example.org>", False),
        ("a@b.org,c@d.org", False),
        ("ops", False),
        (".ops@example.org", False),
        ("ops.@example.org", False),
        ("o..ps@example.org", False),
        ("ops@example..org", False),
        ("ops@example.org.", False),
        ("o" * 243 + "@example.org", False),
        ("@example.org", False),
        ("ops@", False),
        ("ops@-", False),
        ('"a b"@example.org', False),
        ("öps@example.org", False),
    ],
)
def test_address_is_one_plain_address(address: str, is_one: bool) -> None:
    assert is_mail_address(address) is is_one


@pytest.mark.parametrize(
    ("url", "server"),
    [
        (
            "smtp://mail.example.org?from=a@b.org",
            MailServer(host="mail.example.org", port=587, sender="a@b.org"),
        ),
        (
            "smtps://user%40b.org:p%2Fw@mail.example.org?from=a%2Bc@b.org",
            MailServer(
                host="mail.example.org",
                port=465,
                sender="a+c@b.org",
                user="user@b.org",
                password="p/w",
                tls="from the start",
            ),
        ),
        (
            "smtp://[::1]:25/?from=a@b.org&starttls=required",
            MailServer(host="::1", port=25, sender="a@b.org", tls="required"),
        ),
    ],
)
def test_url_says_where_and_as_whom(url: str, server: MailServer) -> None:
    assert read_mail_server(url) == server
