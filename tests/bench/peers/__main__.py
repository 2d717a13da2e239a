"""`python -m tests.bench.peers`: measure the peers beside the service, and write the report.

Everything runs on this machine, on embedded PostgreSQL servers in temporary folders, and ends with the run.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from ..load import require_wrk
from ..plan import progress
from . import environment, report
from .measure import measure
from .plan import FULL, QUICK


@click.command()
@click.option("--quick", is_flag=True, help="Everything once and small, about five minutes.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="Folder for PEERS.md.")
def main(quick: bool, output: Path | None) -> None:
    """Measure Phoenix and MLflow beside Heliscore; the report goes to stdout, progress to stderr."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, and so ends every process
    require_wrk()
    environment.program("python")
    text = report.written(measure(QUICK if quick else FULL))
    click.echo(text, nl=False)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        (output / "PEERS.md").write_text(text)
        progress(f"written to {output}")


if __name__ == "__main__":
    main()
