"""The command line: serve, migrate, backups, demo, keys, doctor and more.

An error is one line on stderr, status 1.
"""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from heliscore.cli.demo_command import demo
from heliscore.cli.doctor import doctor, version
from heliscore.cli.key_commands import keys_group
from heliscore.cli.maintenance import backup, migrate, prune, restore
from heliscore.cli.revert_command import revert
from heliscore.cli.serve import serve
from heliscore.domain.errors import HeliscoreError


def main() -> NoReturn:
    """Run the command line."""
    try:
        _commands.main(standalone_mode=False)
    except HeliscoreError as error:
        _fail(str(error))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(1)
    except click.ClickException as error:
        _fail(error.format_message())
    except click.Abort:
        sys.exit(130)
    sys.exit(0)


def _fail(message: str) -> NoReturn:
    line = " ".join(message.split()).encode(errors="backslashreplace").decode()
    click.echo(f"heliscore: {line}", err=True)
    sys.exit(1)


@click.group(name="heliscore", context_settings={"help_option_names": ["-h", "--help"]})
def _commands() -> None:
    """Store and search scores of LLM requests, compatible with Helicone and PromptLayer.

    Settings come from HELISCORE_* environment variables.
    """


for _command in (serve, migrate, backup, restore, prune, revert, demo, keys_group, doctor, version):
    _commands.add_command(_command)
