"""FastAPI and SQLAlchemy 2 (asyncio, asyncpg) as their manuals show it: models, a session a call, upserts."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException
from heliscore.domain.api_key import hash_key
from pydantic import BaseModel, StrictBool, StrictInt
from sqlalchemy import BigInteger, DateTime, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    type_annotation_map = {datetime: DateTime(timezone=True), int: BigInteger}  # noqa: RUF012


class ApiKey(Base):
    __tablename__ = "api_key"
    id: Mapped[int] = mapped_column(primary_key=True)
    organization_id: Mapped[int]
    key_hash: Mapped[bytes]


class ScoreName(Base):
    __tablename__ = "score_name"
    id: Mapped[int] = mapped_column(primary_key=True)
    organization_id: Mapped[int]
    name: Mapped[str]


class LoggedRequest(Base):
    __tablename__ = "request"
    organization_id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(primary_key=True)
    request_no: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Score(Base):
    __tablename__ = "score"
    request_no: Mapped[int] = mapped_column(primary_key=True)
    organization_id: Mapped[int] = mapped_column(primary_key=True)
    name_id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]
    is_boolean: Mapped[bool | None]
    request_created_at: Mapped[datetime]
    scored_at: Mapped[datetime]


class ScoreMap(BaseModel):
    scores: dict[str, StrictBool | StrictInt]


engine = create_async_engine(
    os.environ["BENCH_DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"),
    pool_size=10,
    max_overflow=0,
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
known_keys: dict[str, int] = {}
known_names: dict[tuple[int, str], int] = {}


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as opened:
        yield opened


Session = Annotated[AsyncSession, Depends(session)]


async def organization(session: Session, authorization: Annotated[str, Header()]) -> int:
    key = authorization.removeprefix("Bearer ")
    if key not in known_keys:
        found = await session.scalar(select(ApiKey.organization_id).where(ApiKey.key_hash == hash_key(key)))
        if found is None:
            raise HTTPException(401, "the API key is not valid")
        known_keys[key] = found
    return known_keys[key]


async def name_ids(session: AsyncSession, organization_id: int, names: set[str]) -> dict[str, int]:
    if any((organization_id, name) not in known_names for name in names):
        rows = [{"organization_id": organization_id, "name": name} for name in sorted(names)]
        await session.execute(insert(ScoreName).values(rows).on_conflict_do_nothing())
        wanted = select(ScoreName).where(
            ScoreName.organization_id == organization_id, ScoreName.name.in_(names)
        )
        for found in await session.scalars(wanted):
            known_names[organization_id, found.name] = found.id
    return {name: known_names[organization_id, name] for name in names}


new_request = insert(LoggedRequest)
upsert_request = new_request.on_conflict_do_update(
    constraint="request_pkey",
    set_={"updated_at": func.greatest(LoggedRequest.updated_at, new_request.excluded.updated_at)},
).returning(LoggedRequest.request_no, LoggedRequest.created_at)

new = insert(Score).excluded
upsert_scores = insert(Score).on_conflict_do_update(
    constraint="score_pkey",
    set_={"value": new.value, "is_boolean": new.is_boolean, "scored_at": new.scored_at},
    where=tuple_(Score.value, Score.is_boolean).is_distinct_from(tuple_(new.value, new.is_boolean)),
)

app = FastAPI()


@app.post("/v1/request/{request_id}/score")
async def post_scores(
    request_id: str, body: ScoreMap, session: Session, organization_id: Annotated[int, Depends(organization)]
) -> dict[str, None]:
    ids = await name_ids(session, organization_id, set(body.scores))
    now = datetime.now(UTC)
    request = {
        "organization_id": organization_id,
        "request_id": request_id,
        "created_at": now,
        "updated_at": now,
    }
    request_no, created_at = (await session.execute(upsert_request, request)).one()
    scores = [
        {
            "request_no": request_no,
            "organization_id": organization_id,
            "name_id": ids[name],
            "value": int(value),
            "is_boolean": True if isinstance(value, bool) else None,
            "request_created_at": created_at,
            "scored_at": now,
        }
        for name, value in body.scores.items()
    ]
    await session.execute(upsert_scores, scores)
    await session.commit()
    return {"data": None, "error": None}
