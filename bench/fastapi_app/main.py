"""The tutorial attachments server: FastAPI UploadFile, SQLAlchemy ORM, SQLite, FileResponse.

Written the way the FastAPI and SQLAlchemy tutorials teach it, with nothing tuned: one synchronous session per
request, UploadFile copied to disk with shutil, no fsync, no checksum, no login. It runs in the bench's own environment:

    DATA_DIR=data uvicorn main:app --port 8101
"""
# mypy: ignore-errors
# (its libraries are installed only in the bench's own environment, and it is typed as the tutorials type)

import os
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Form, HTTPException, Query, UploadFile
from fastapi.responses import FileResponse
from PIL import Image
from pydantic import BaseModel, ConfigDict
from sqlalchemy import DateTime, Integer, String, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

DATA = Path(os.environ.get("DATA_DIR", "data")).resolve()
(DATA / "files").mkdir(parents=True, exist_ok=True)
(DATA / "thumbs").mkdir(parents=True, exist_ok=True)
engine = create_engine(f"sqlite:///{DATA}/app.db", connect_args={"check_same_thread": False})
SessionLocal = sessionmaker(bind=engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class Attachment(Base):
    __tablename__ = "attachments"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    filename: Mapped[str] = mapped_column(String(255))
    content_type: Mapped[str] = mapped_column(String(127))
    size: Mapped[int] = mapped_column(Integer)
    folder: Mapped[str] = mapped_column(String(255), index=True, default="")
    created_at: Mapped[datetime] = mapped_column(DateTime, index=True)


class AttachmentOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: str
    filename: str
    content_type: str
    size: int
    folder: str
    created_at: datetime


class Page(BaseModel):
    total: int
    items: list[AttachmentOut]


Base.metadata.create_all(engine)
app = FastAPI()


def get_db():
    with SessionLocal() as db:
        yield db


Db = Annotated[Session, Depends(get_db)]


def find(db: Session, attachment_id: str) -> Attachment:
    row = db.get(Attachment, attachment_id)
    if row is None:
        raise HTTPException(404, "no such attachment")
    return row


@app.post("/attachments", response_model=AttachmentOut, status_code=201)
def upload(db: Db, file: UploadFile, folder: Annotated[str, Form()] = ""):
    row = Attachment(
        id=uuid.uuid4().hex,
        filename=file.filename or "file",
        folder=folder,
        content_type=file.content_type or "application/octet-stream",
        created_at=datetime.now(UTC),
    )
    path = DATA / "files" / row.id
    with path.open("wb") as out:
        shutil.copyfileobj(file.file, out)
    row.size = path.stat().st_size
    db.add(row)
    db.commit()
    return row


@app.get("/attachments", response_model=Page)
def list_attachments(db: Db, offset: int = 0, limit: Annotated[int, Query(le=200)] = 50, q: str | None = None):
    stmt = select(Attachment)
    if q:
        stmt = stmt.where(Attachment.filename.contains(q))
    total = db.scalar(select(func.count()).select_from(stmt.subquery()))
    rows = db.scalars(stmt.order_by(Attachment.created_at.desc()).offset(offset).limit(limit)).all()
    return {"total": total, "items": rows}


@app.get("/attachments/{attachment_id}", response_model=AttachmentOut)
def metadata(attachment_id: str, db: Db):
    return find(db, attachment_id)


@app.get("/attachments/{attachment_id}/content")
def download(attachment_id: str, db: Db):
    row = find(db, attachment_id)
    return FileResponse(DATA / "files" / row.id, media_type=row.content_type, filename=row.filename)


@app.get("/attachments/{attachment_id}/thumbnail")
def thumbnail(attachment_id: str, db: Db):
    row = find(db, attachment_id)
    path = DATA / "thumbs" / f"{row.id}.jpg"
    if not path.exists():
        with Image.open(DATA / "files" / row.id) as im:
            im.thumbnail((256, 256))
            im.convert("RGB").save(path, "JPEG", quality=80)
    return FileResponse(path, media_type="image/jpeg")
