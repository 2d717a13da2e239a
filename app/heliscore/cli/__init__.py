"""The command line: serving, keys, maintenance, and questions to a service. An error is one line on stderr,
status 1, but 3 where a service could not be asked."""

from __future__ import annotations

import sys
from pkgutil import resolve_name
from typing import Final, NoReturn

import click

from heliscore import __version__
from heliscore.domain.errors import HeliscoreError

_PLACES: Final = {
    "serve": "serve:serve",
    "migrate": "maintenance:migrate",
    "distribute": "distribute_command:distribute",
    "backup": "maintenance:backup",
    "restore": "restore_command:restore",
    "prune": "maintenance:prune",
    "revert": "revert_command:revert",
    "delete": "delete_command:delete",
    "audit": "audit_command:audit",
    "demo": "demo_command:demo",
    "keys": "key_commands:keys_group",
    "gate": "gate_command:gate",
    "monitors": "monitor_commands:monitors",
    "digest": "digest_command:digest",
    "export": "export_command:export",
    "import": "import_command:import_",
    "mcp": "mcp_command:mcp",
    "doctor": "doctor:doctor",
    "version": "doctor:version",
}
"""The module of each command, and its name there."""


def main() -> NoReturn:
    """Run the command line."""
    try:
        _commands.main(standalone_mode=False)
    except HeliscoreError as error:
        _fail(str(error), error.exit_status)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())  # nothing was asked for, and nothing is wrong
        sys.exit(0)
    except click.ClickException as error:
        _fail(error.format_message())
    except click.Abort:
        sys.exit(130)
    sys.exit(0)


def _fail(message: str, status: int = 1) -> NoReturn:
    line = " ".join(message.split()).encode(errors="backslashreplace").decode()
    click.echo(f"heliscore: {line}", err=True)
    sys.exit(status)


class _LazyCommands(click.Group):
    """Import the module of the command that is called, and not what the others need, such as a web server."""

    def list_commands(self, _: click.Context) -> list[str]:
        return sorted(_PLACES)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        if name not in _PLACES:
            return None
        command: click.Command = resolve_name(f"heliscore.cli.{_PLACES[name]}")
        return command


@click.version_option(__version__, message="heliscore %(version)s")
@click.group(name="heliscore", cls=_LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
def _commands() -> None:
    """Store and search scores of LLM requests, compatible with Helicone and PromptLayer.

    Settings come from HELISCORE_* environment variables.
    """
