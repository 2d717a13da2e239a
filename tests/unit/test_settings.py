from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from heliscore.domain.api_key import mint_key
from heliscore.domain.errors import InvalidSettings
from heliscore.settings import Settings, check_exposure, default_data_dir, read_settings

EVERY_VARIABLE = {
    "HELISCORE_HOST": "scores.example.org",
    "HELISCORE_PORT": "9000",
    "HELISCORE_DATABASE_URL": "postgresql://user:password@host:5432/scores",
    "HELISCORE_DATA_DIR": "/srv/heliscore",
    "HELISCORE_POSTGRES_BIN": "/usr/lib/postgresql/18/bin",
    "HELISCORE_API_KEY": "an-old-key-of-ours",
    "HELISCORE_LOG_LEVEL": "debug",
    "HELISCORE_UNKNOWN_REQUESTS": "reject",
    "HELISCORE_MAX_BODY_BYTES": "1024",
    "HELISCORE_MAX_UPLOAD_BYTES": "2048",
    "HELISCORE_POOL_SIZE": "20",
    "HELISCORE_STATEMENT_TIMEOUT_MS": "500",
    "HELISCORE_PGBOUNCER": "true",
    "HELISCORE_RETENTION_DAYS": "90",
    "HELISCORE_HISTORY_DAYS": "30",
    "HELISCORE_START_TIMEOUT_S": "5",
    "HELISCORE_RATE_LIMIT": "600",
    "HELISCORE_COMPUTED_COSTS": "false",
    "HELISCORE_ALLOW_WEAK_KEY": "true",
    "HELISCORE_OUTBOUND_ALLOW": "10.0.0.0/8, hooks.internal:8443",
    "HELISCORE_SMTP_URL": "smtp://user:password@mail.example.org?from=heliscore@example.org",
    "HELISCORE_GATEWAY_TARGETS": "https://api.openai.com, HTTP://127.0.0.1:11434/v1",
    "HELISCORE_GATEWAY_KEYS": "https://api.openai.com=sk-proj-1",
    "HELISCORE_CORS_ORIGINS": "https://app.example.org, http://[::1]:3000",
}


def test_settings_without_variables_are_the_defaults() -> None:
    assert msgspec.structs.asdict(read_settings({})) == {
        "host": "127.0.0.1",
        "port": 8585,
        "database_url": None,
        "data_dir": default_data_dir(),
        "postgres_bin": None,
        "api_key": None,
        "log_level": "info",
        "unknown_requests": "accept",
        "max_body_bytes": 16 * 1024 * 1024,
        "max_upload_bytes": 4 * 1024**3,
        "pool_size": 10,
        "statement_timeout_ms": 10_000,
        "pgbouncer": False,
        "start_timeout_s": 60,
        "retention_days": None,
        "history_days": None,
        "rate_limit": None,
        "computed_costs": True,
        "allow_weak_key": False,
        "outbound_allow": None,
        "smtp_url": None,
        "gateway_targets": None,
        "gateway_keys": None,
        "cors_origins": None,
    }


def test_every_setting_comes_from_its_variable() -> None:
    assert msgspec.structs.asdict(read_settings(EVERY_VARIABLE)) == {
        "host": "scores.example.org",
        "port": 9000,
        "database_url": "postgresql://user:password@host:5432/scores",
        "data_dir": Path("/srv/heliscore"),
        "postgres_bin": Path("/usr/lib/postgresql/18/bin"),
        "api_key": "an-old-key-of-ours",
        "log_level": "debug",
        "unknown_requests": "reject",
        "max_body_bytes": 1024,
        "max_upload_bytes": 2048,
        "pool_size": 20,
        "statement_timeout_ms": 500,
        "pgbouncer": True,
        "start_timeout_s": 5,
        "retention_days": 90,
        "history_days": 30,
        "rate_limit": 600,
        "computed_costs": False,
        "allow_weak_key": True,
        "outbound_allow": "10.0.0.0/8, hooks.internal:8443",
        "smtp_url": "smtp://user:password@mail.example.org?from=heliscore@example.org",
        "gateway_targets": "https://api.openai.com, HTTP://127.0.0.1:11434/v1",
        "gateway_keys": "https://api.openai.com=sk-proj-1",
        "cors_origins": "https://app.example.org, http://[::1]:3000",
    }


def test_targets_are_origins_in_one_spelling() -> None:
    settings = read_settings(EVERY_VARIABLE)
    assert settings.gateway_origins == ("https://api.openai.com", "http://127.0.0.1:11434")
    assert settings.provider_keys == {"https://api.openai.com": "sk-proj-1"}
    assert Settings(
        gateway_targets="https://A.example:443/v1,http://[::1]:80,,https://a.example"
    ).gateway_origins == (
        "https://a.example",
        "http://[::1]",
    )
    assert (Settings().gateway_origins, Settings().provider_keys) == ((), {})


SECRET = "sk-proj-4711"


@pytest.mark.parametrize(
    ("targets", "keys", "message"),
    [
        (
            f"https://api.openai.com={SECRET}",
            "",
            "GATEWAY_TARGETS: expected entries such as https://api.openai.com",
        ),
        ("api.openai.com", "", "GATEWAY_TARGETS: expected entries such as https://api.openai.com"),
        (
            f"https://{SECRET}@api.openai.com",
            "",
            "GATEWAY_TARGETS: expected entries such as https://api.openai.com",
        ),
        (
            f"https://a.example:{SECRET}",
            "",
            "GATEWAY_TARGETS: expected entries such as https://api.openai.com",
        ),
        ("https://a.example", SECRET, "GATEWAY_KEYS: expected entries such as https://api.openai.com=<key>"),
        (
            "https://a.example",
            f"{SECRET}=https://a.example",
            "GATEWAY_KEYS: expected entries such as https://api.openai.com=<key>",
        ),
        (
            "https://a.example",
            "https://a.example=",
            "GATEWAY_KEYS: expected entries such as https://api.openai.com=<key>",
        ),
    ],
)
def test_wrong_targets_and_keys_are_refused_without_repeating_them(
    targets: str, keys: str, message: str
) -> None:
    with pytest.raises(InvalidSettings) as raised:
        read_settings({"HELISCORE_GATEWAY_TARGETS": targets, "HELISCORE_GATEWAY_KEYS": keys})
    assert str(raised.value) == f"HELISCORE_{message}, separated by commas"


def test_key_of_an_origin_that_is_no_target_is_refused() -> None:
    with pytest.raises(InvalidSettings) as raised:
        read_settings({"HELISCORE_GATEWAY_KEYS": f"https://a.example={SECRET}"})
    assert str(raised.value) == "HELISCORE_GATEWAY_KEYS: has a key of an origin that is no target"


def test_empty_variable_counts_as_not_set() -> None:
    assert read_settings(dict.fromkeys(EVERY_VARIABLE, "")) == Settings()


def test_one_worker_is_no_error() -> None:
    assert read_settings({"HELISCORE_WORKERS": "1"}) == Settings()


def test_address_of_a_service_is_for_commands_that_ask_one() -> None:
    assert read_settings({"HELISCORE_URL": "http://127.0.0.1:8585"}) == Settings()


def test_variable_of_another_program_is_ignored() -> None:
    assert read_settings({"PORT": "1", "HELICONE_PORT": "2", "XHELISCORE_PORT": "3"}) == Settings()


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("HELISCORE_PROT", "HELISCORE_PROT is not a setting; did you mean HELISCORE_PORT?"),
        ("HELISCORE_LOGLEVEL", "HELISCORE_LOGLEVEL is not a setting; did you mean HELISCORE_LOG_LEVEL?"),
        ("HELISCORE_DATABASE", "HELISCORE_DATABASE is not a setting; did you mean HELISCORE_DATABASE_URL?"),
        ("HELISCORE_XYZZY", "HELISCORE_XYZZY is not a setting"),
    ],
)
def test_unknown_variable_is_refused(variable: str, message: str) -> None:
    with pytest.raises(InvalidSettings) as raised:
        read_settings({variable: "1"})
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("PORT", "80.5"),
        ("WORKERS", "0"),
        ("WORKERS", "2"),
        ("DATABASE_URL", "mysql://host/scores"),
        ("DATABASE_URL", "host=localhost"),
        ("API_KEY", "short"),
        ("API_KEY", "a key with a space"),
        ("LOG_LEVEL", "loud"),
        ("LOG_LEVEL", "INFO "),
        ("UNKNOWN_REQUESTS", "drop"),
        ("MAX_BODY_BYTES", "1023"),
        ("MAX_BODY_BYTES", "16MB"),
        ("MAX_BODY_BYTES", str((1 << 30) + 1)),
        ("POOL_SIZE", "0"),
        ("POOL_SIZE", "1001"),
        ("STATEMENT_TIMEOUT_MS", "0"),
        ("STATEMENT_TIMEOUT_MS", "3600001"),
        ("STATEMENT_TIMEOUT_MS", "10s"),
        ("PGBOUNCER", "perhaps"),
        ("RATE_LIMIT", "0"),
        ("RATE_LIMIT", "1.5"),
        ("RATE_LIMIT", "10/s"),
        ("ALLOW_WEAK_KEY", "perhaps"),
        ("OUTBOUND_ALLOW", "http://hooks.internal"),
        ("OUTBOUND_ALLOW", "hooks.internal:0"),
        ("OUTBOUND_ALLOW", "10.0.0.0/8 10.1.0.0/16"),
        ("CORS_ORIGINS", "app.example.org"),
        ("CORS_ORIGINS", "https://app.example.org/"),
        ("CORS_ORIGINS", "https://App.example.org"),
        ("CORS_ORIGINS", "https://app.example.org:443"),
        ("CORS_ORIGINS", "https://*.example.org"),
        ("CORS_ORIGINS", "*, https://app.example.org"),
        ("CORS_ORIGINS", "null"),
        ("SMTP_URL", "mail.example.org"),
        ("SMTP_URL", "http://mail.example.org?from=a@b.org"),
        ("SMTP_URL", "smtp://mail.example.org"),
        ("SMTP_URL", "smtp://mail.example.org?from=a@b.org%0d%0aBcc:c@d.org"),
        ("SMTP_URL", "smtp://mail.example.org?from=a@b.org&starttls=perhaps"),
        ("SMTP_URL", "smtp://mail.example.org:port?from=a@b.org"),
    ],
)
def test_malformed_value_is_refused_with_its_variable(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=f"^HELISCORE_{name}: [^\n]+$"):
        read_settings({f"HELISCORE_{name}": value})


@pytest.mark.parametrize(
    ("variable", "value", "secret"),
    [
        ("HELISCORE_DATABASE_URL", "mysql://user:hunter2@host/scores", "hunter2"),
        ("HELISCORE_API_KEY", "hunter2", "hunter2"),
        ("HELISCORE_API_KEY", "hunter2 and hunter2", "hunter2"),
        ("HELISCORE_SMTP_URL", "smtp://user:hunter2@host", "hunter2"),
        ("HELISCORE_SMTP_URL", "smtp://user:hunter2@host:99999?from=a@b.org", "hunter2"),
    ],
)
def test_secret_is_not_repeated(variable: str, value: str, secret: str) -> None:
    with pytest.raises(InvalidSettings) as raised:
        read_settings({variable: value})
    assert secret not in str(raised.value)


WEAK = "changeme-changeme"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "scores.example.org", "localhost.example.org"])  # noqa: S104
def test_placeholder_for_a_key_is_refused_where_other_machines_can_call(host: str) -> None:
    with pytest.raises(InvalidSettings) as raised:
        check_exposure(Settings(host=host, api_key=WEAK))
    assert str(raised.value) == (
        f"HELISCORE_API_KEY looks like a placeholder, and other machines can call at {host}: choose another "
        "(`heliscore keys create` makes one), or set HELISCORE_ALLOW_WEAK_KEY=true"
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_placeholder_for_a_key_is_accepted_where_only_this_machine_can_call(host: str) -> None:
    check_exposure(Settings(host=host, api_key=WEAK))


def test_placeholder_for_a_key_is_accepted_where_that_is_asked_for() -> None:
    check_exposure(Settings(host="0.0.0.0", api_key=WEAK, allow_weak_key=True))  # noqa: S104


def test_key_of_somebody_is_accepted_everywhere() -> None:
    check_exposure(Settings(host="0.0.0.0", api_key=mint_key()))  # noqa: S104
    check_exposure(Settings(host="0.0.0.0"))  # noqa: S104


def test_data_dir_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings({"HELISCORE_DATA_DIR": "data"}).data_dir == tmp_path / "data"


def test_data_dir_may_be_in_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert read_settings({"HELISCORE_DATA_DIR": "~/data"}).data_dir == Path("/home/somebody/data")


@pytest.mark.parametrize(
    ("uid", "environment", "folder"),
    [
        (0, {"HOME": "/root"}, "/var/lib/heliscore"),
        (1000, {"HOME": "/home/a"}, "/home/a/.local/share/heliscore"),
        (1000, {"HOME": "/home/a", "XDG_DATA_HOME": "/data"}, "/data/heliscore"),
    ],
)
def test_default_data_dir_is_where_the_system_keeps_data(
    monkeypatch: pytest.MonkeyPatch, uid: int, environment: dict[str, str], folder: str
) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert Settings().data_dir == Path(folder)
