"""The candidates: a base file of SQL, with patches laid over it (`c_request_no+t_bare+by_name`)."""

import re
from pathlib import Path

import msgspec

HERE = Path(__file__).parent
_STATEMENT = re.compile(r"(?:\$\$.*?\$\$|[^;])+", re.DOTALL)
KEYS = {"a_text_key": "text", "b_computed_key": "computed", "c_request_no": "number"}


class Candidate(msgspec.Struct, frozen=True):
    """One physical design: its statements and how its scores name their request."""

    label: str
    key: str
    schema: list[str]
    upsert: str

    @property
    def database(self) -> str:
        """The name of the database that holds this design."""
        return "design_" + re.sub(r"\W", "_", self.label)


def sections(text: str) -> dict[str, str]:
    """Split a file at its `-- name: verb` lines."""
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def load(label: str) -> Candidate:
    """Read a candidate: a patch's schema follows the base's, a patch's upsert replaces it."""
    base, *patches = label.split("+")
    found = sections((HERE / f"{base}.sql").read_text())
    schema, upsert = [found["schema"]], found["upsert"]
    for patch in patches:
        found = sections((HERE / "patches" / f"{patch}.sql").read_text())
        schema.append(found.get("schema", ""))
        upsert = found.get("upsert", upsert)
    statements = [part.strip() for part in _STATEMENT.findall("\n".join(schema)) if part.strip()]
    return Candidate(label, KEYS[base], statements, upsert)
