"""What an object store's answers mean. The driver tells them by class and text; callers act on these values alone.

An object is missing only where the store says in so many words that there is no such key. A 404 that says anything
else, of a bucket that is gone or of a proxy in between, is a store that cannot answer; so is a 403.
"""

import re
from typing import Literal

import msgspec
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from holdfast.core.errors import StorageFull, Unavailable

Meaning = Literal["missing", "exists", "beyond", "whole", "refused", "full", "failed"]

FAILURES = (BaseError, OSError, TimeoutError, ValueError)
"""What the driver raises, and what waiting for it does."""

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,64})</Code>")
_NO_KEY = frozenset({"NoSuchKey", "BlobNotFound"})
_NO_ROOM = frozenset({"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage"})
# An object in an archive is refused like all objects are to a stranger.
_OF_ONE = frozenset({"InvalidObjectState", "BlobArchived"})
# Azure says of a key that is taken 409, which elsewhere means that somebody else is at it.
_TAKEN = frozenset({"BlobAlreadyExists"})
_NO_RANGES = "non-partial response"
# The driver's own words: for a range that begins where the object ends, and for a deletion among many by Azure.
_BEGINS_TOO_LATE = "Wanted range starting at"
_NOT_THERE = "The specified blob does not exist"
_DEBUG = "\n\nDebug source:"


class Answer(msgspec.Struct, frozen=True):
    """One failed request. `status` is that of HTTP, None if no answer came; `code` is the store's own word.

    `missing`: there is no such key. `exists`: there is one already. `beyond`: the range begins after the end. `whole`:
    the store gave everything where a part was asked for. `refused`: the credentials are not good for this. `full`: no
    room. `failed`: all else, and only then another attempt may succeed, if `again`.
    """

    meaning: Meaning
    status: int | None
    code: str
    again: bool

    def __str__(self) -> str:
        if self.status is None:
            return self.code or "no answer"
        return f"{self.status} {self.code}".rstrip()


def read_answer(error: BaseException) -> Answer:
    """What a failure of the driver says. Its own text may hold signed addresses and is shown to nobody."""
    text = str(error).partition(_DEBUG)[0]
    found, named = _STATUS.search(text), _CODE.search(text)
    status, code = int(found[1]) if found else None, named[1] if named else ""
    meaning = _meaning(error, text, status, code)
    again = meaning == "failed" and (status is None or status >= 500 or status in (408, 409, 429))
    return Answer(meaning, status, code or _transport(error, status), again)


def _meaning(error: BaseException, text: str, status: int | None, code: str) -> Meaning:
    if isinstance(error, FileNotFoundError):
        return "missing" if code in _NO_KEY or (not code and _NOT_THERE in text) else "failed"
    if isinstance(error, AlreadyExistsError | PreconditionError) and (status == 412 or code in _TAKEN):
        return "exists"
    if code in _NO_ROOM or status == 507:
        return "full"
    if status in (401, 403):
        return "refused"
    if status == 416 or _BEGINS_TOO_LATE in text:
        return "beyond"
    return "whole" if _NO_RANGES in text else "failed"


def _transport(error: BaseException, status: int | None) -> str:
    if status is not None:
        return ""
    return "no answer in time" if isinstance(error, TimeoutError) else "the connection failed"


def unavailable(answer: Answer) -> Unavailable:
    """What such an answer means to a caller: no room, or not now."""
    if answer.meaning == "full":
        return StorageFull()
    failure = Unavailable("The blob store cannot answer now")
    of_one_object = answer.code in _OF_ONE or (answer.status is not None and answer.status >= 500)
    failure.outage = not of_one_object
    return failure
