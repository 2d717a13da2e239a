"""Backup and restore.

A backup is our tables in pg_dump's custom format, without anything else that the database may hold.

A restore is one transaction. psql runs a prologue, which shuts services out, drops our tables
and makes the functions of our triggers, and then
the script that pg_restore makes of the file. It gets the COMMIT only after pg_restore has read the file to
its end. (pg_restore's own --single-transaction would keep what a newer version had added to the database, and
its preamble names a setting that servers before 17 do not know.)

A cluster's backup is like any other: the tables without what is the cluster's own. A restore leaves the
tables of a cluster undistributed, and marked as such, so that no service works before they are distributed
again.

Services forget what they remember of the replaced database: see database_identity.py.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from heliscore.domain.errors import BackupError
from heliscore.postgres.client_tools import run_tool
from heliscore.store.cluster import distribution
from heliscore.store.connections.pool import Connection
from heliscore.store.schema.migrations import read_migrations
from heliscore.store.statements import SQL_FOLDER, fill, load

_SQL = load("backup")

Progress = Callable[[int], None]
"""Called now and then with the number of bytes so far."""

_PROGRESS_S: Final = 0.5
_CHUNK_BYTES: Final = 1 << 20

_ONE_SNAPSHOT: Final = "-c citus.max_adaptive_executor_pool_size=1"
"""On a cluster: one connection to a node, so that what is read of an organization is of one moment."""

_PREAMBLE_LINES: Final = 40
_UNKNOWN_BEFORE_17: Final = b"SET transaction_timeout = 0;\n"

_FLEETING: Final = ("event", "event_cursor")
"""They are about transactions of one server, whose numbers mean something else in another: a backup has these
tables without their rows."""

_UNKEPT: Final = {
    "schema_migration",
    "rate_window",
    "signing_secret",
    "ended_session",
    "event_interest",
    *_FLEETING,
}
"""They hold no data that could be missed: the second counts the calls of this minute, the next two are about
signatures, and an empty database has the third too. Interest in events belongs to what is interested."""


def find_tables() -> list[str]:
    """Return the names of our tables, from sql/schema.sql."""
    return re.findall(r"^CREATE (?:UNLOGGED )?TABLE public\.(\w+) \(", _schema(), re.MULTILINE)


def _schema() -> str:
    return (SQL_FOLDER / "schema.sql").read_text(encoding="utf-8")


async def find_schema(connection: Connection) -> str | None:
    """Return the schema that holds our tables, None where there are none.

    Raises BackupError when a newer version made them: there may be tables that we do not know.
    """
    schema: str | None = await connection.fetchval(_SQL["find_schema"])
    if schema is not None:
        rows = await connection.fetch(_SQL["list_migrations"])
        _check_migrations("the database", {number: (name, checksum) for number, name, checksum in rows})
    return schema


async def find_data(connection: Connection) -> list[str]:
    """Return the names of our tables that hold data."""
    found = []
    for (table,) in await connection.fetch(_SQL["find_existing"], _kept_tables()):
        if await connection.fetchval(fill(_SQL["has_rows"], table=table)):
            found.append(table)
    return found


async def analyze(connection: Connection) -> None:
    """Collect the planner's statistics of a restored database."""
    await connection.execute(f"ANALYZE {', '.join(find_tables())}")


def write_backup(
    dsn: str, schema: str, file: Path, progress: Progress, *, overwrite: bool, chosen: Path | None = None
) -> int:
    """Write our tables, which are in that schema, to the file and return its size in bytes. An incomplete
    file is never seen under its name. `chosen`: see run_tool(). Raises BackupError."""
    if file.exists() and not overwrite:
        raise BackupError(f"{file} exists already; --force overwrites it")
    flags = [f'--table="{schema}"."{table}"' for table in find_tables()]
    flags += [f'--exclude-table-data="{schema}"."{table}"' for table in _FLEETING]
    flags += ["--format=custom", "--no-unlogged-table-data", "--lock-wait-timeout=60s"]
    try:
        with _renamed_when_whole(file) as unfinished:
            with run_tool(
                "pg_dump", *flags, f"--file={unfinished}", dsn=dsn, chosen=chosen, options=_ONE_SNAPSHOT
            ) as pg_dump:
                while not pg_dump.ends_within(_PROGRESS_S):
                    progress(unfinished.stat().st_size)
                pg_dump.check("no backup was made")
            return unfinished.stat().st_size
    except OSError as error:
        raise BackupError(f"cannot write {file}: {error.strerror}") from None


def check_backup(file: Path, chosen: Path | None = None) -> None:
    """Raise BackupError for a file that is no backup of ours, cannot be read, or is of a newer version."""
    try:
        file.open("rb").close()
    except OSError as error:
        raise BackupError(f"cannot read {file}: {error.strerror}") from None
    flags = ["--data-only", "--table=schema_migration", "--file=-"]
    with run_tool("pg_restore", *flags, file, chosen=chosen) as pg_restore:
        script = pg_restore.output.read().decode(errors="replace")
        pg_restore.check(f"{file} cannot be restored")
    data = re.search(r"^COPY .*\(number, name, checksum, .*;\n((?:.*\n)*?)\\\.$", script, re.MULTILINE)
    if data is None:
        raise BackupError(f"{file} is not a backup of Heliscore")
    rows = (line.split("\t") for line in data[1].splitlines())
    _check_migrations(str(file), {int(number): (name, checksum) for number, name, checksum, *_ in rows})


def restore_backup(
    dsn: str,
    file: Path,
    progress: Progress,
    *,
    existing: bool,
    replace: bool,
    is_cluster: bool = False,
    chosen: Path | None = None,
) -> None:
    """Restore a file that has passed check_backup, in one transaction. Tables of ours that are `existing` are
    dropped; if they hold data and `replace` is false, the restore fails. Migrations that the file's version
    did not have are missing afterwards. With `is_cluster` the database is left as one whose distribution was
    interrupted.

    Services are disconnected, and come back to the restored data. Raises BackupError; then nothing was
    changed.
    """
    psql_flags = ["--no-psqlrc", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=1"]
    flags = ["--no-owner", "--no-privileges", "--exit-on-error", "--file=-"]
    with (
        run_tool("psql", *psql_flags, dsn=dsn, fed=True, chosen=chosen) as psql,
        run_tool("pg_restore", *flags, file, chosen=chosen) as pg_restore,
    ):
        with suppress(BrokenPipeError):  # psql ended early, and says why
            psql.input.write(_prologue(existing=existing, replace=replace).encode())
            _copy(pg_restore.output, psql.input, progress)
            pg_restore.check(f"{file} cannot be restored, nothing was changed")
            psql.input.write(_epilogue(is_cluster=is_cluster).encode())
            psql.input.close()
        psql.check(f"{file} cannot be restored, nothing was changed")


def _kept_tables() -> list[str]:
    return [table for table in find_tables() if table not in _UNKEPT]


def _check_migrations(whose: str, applied: Mapping[int, tuple[str, str]]) -> None:
    known = {migration.number: migration.checksum for migration in read_migrations()}
    for number, (name, checksum) in sorted(applied.items()):
        if number not in known:
            raise BackupError(f"{whose} is of a newer version of Heliscore, which has migration {name}")
        if checksum != known[number]:
            raise BackupError(f"{whose} had migration {name} applied with another text")


def _prologue(*, existing: bool, replace: bool) -> str:
    """What runs before pg_restore's statements."""
    statements = ["BEGIN"]
    if existing:
        statements += [_SQL["limit_waiting"], _SQL["shut_out"], _SQL["end_sessions"]]
        if not replace:
            statements += [fill(_SQL["refuse_data"], table=table) for table in _kept_tables()]
    statements.append(_SQL["remember_sequences"])
    statements += _make_functions()
    if existing:
        statements.append(f"DROP TABLE IF EXISTS {', '.join([*find_tables(), 'carried'])}")
    return _script(statements)


def _make_functions() -> Iterator[str]:
    """The functions of our triggers, which a backup of tables does not have."""
    for function in re.findall(r"^CREATE FUNCTION public\.(.*?\$\$);$", _schema(), re.MULTILINE | re.DOTALL):
        yield f"CREATE OR REPLACE FUNCTION {function}"


def _epilogue(*, is_cluster: bool) -> str:
    """What runs after them."""
    begun = [_SQL["name_no_schema"], *distribution.begun_script()] if is_cluster else []
    return _script([_SQL["advance_sequences"], *begun, "COMMIT"])


def _script(statements: list[str]) -> str:
    return "".join(f"{statement};\n" for statement in statements)


def _copy(source: IO[bytes], into: IO[bytes], progress: Progress) -> None:
    """Copy a script without the line of its preamble that older servers do not understand."""
    copied = 0
    for _ in range(_PREAMBLE_LINES):
        line = source.readline()
        if line != _UNKNOWN_BEFORE_17:
            into.write(line)
            copied += len(line)
    while chunk := source.read(_CHUNK_BYTES):
        into.write(chunk)
        copied += len(chunk)
        progress(copied)


@contextmanager
def _renamed_when_whole(file: Path) -> Iterator[Path]:
    """A temporary file beside `file`, readable by its owner only, that takes its name at the end."""
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".partial", dir=file.parent)
    os.close(descriptor)
    unfinished = Path(name)
    try:
        yield unfinished
        unfinished.rename(file)
        folder = os.open(file.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    finally:
        unfinished.unlink(missing_ok=True)
