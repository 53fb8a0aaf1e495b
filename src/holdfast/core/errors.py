"""The closed tree of failures.

    HoldfastError
    ├── Unauthenticated          nobody we know is asking
    ├── Forbidden                the actor lacks the permission
    │   └── OutOfScope           it exists in the actor's account, outside the actor's scopes
    ├── NotFound                 no such thing in the actor's account
    │   └── Unrenderable             the file is there, and has no picture
    ├── Invalid                  the request says something that cannot be
    │   ├── Malformed            the bytes of the request cannot be read at all
    │   ├── Incomplete           the body was cut before its end
    │   ├── DigestMismatch       the bytes are not those that the client announced
    │   └── KeyReused            its idempotency key belongs to another request
    ├── Conflict                 it collides with what is there
    │   └── Stale                the caller saw an older revision
    ├── TooLarge                 more bytes than the limit allows
    ├── UnsupportedType          the media type is not allowed here
    ├── QuotaExceeded            the account is full
    ├── RateLimited              too many requests
    ├── ContentLost              the row is there, its bytes are not
    └── Unavailable              try again later
        └── StorageFull          no room on the disk

Callers act on the class, never on the message. Every dialect maps every leaf to its own status and body.
"""

from collections.abc import Mapping

CLOSED = "Changes are refused: this installation is being moved, or was moved, to another place"
"""What a change is told of a catalog that its gate has closed."""

CLOSED_SECONDS = 5
"""When such a change may be tried again."""


class HoldfastError(Exception):
    """Root of all failures that are answered to a caller.

    `code` is stable and machine-readable; `detail` is one English sentence that holds no secret and no
    internal name; `fields` maps an input field to what is wrong with it.
    """

    code = "error"
    title = "Error"

    def __init__(self, detail: str = "", *, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.fields = dict(fields or {})


class Unauthenticated(HoldfastError):
    """No credential, or one that is unknown, expired or revoked."""

    code = "unauthenticated"
    title = "Authentication required"


class Forbidden(HoldfastError):
    """The actor is known and lacks the permission."""

    code = "forbidden"
    title = "Permission denied"


class OutOfScope(Forbidden):
    """In the actor's account but outside its scopes; most dialects answer this as `NotFound` of its kind."""

    code = "out_of_scope"
    title = "Outside the caller's scope"

    def __init__(self, kind: str = "resource", detail: str = "") -> None:
        super().__init__(detail)
        self.kind = kind


class PartlyOutOfScope(OutOfScope):
    """Within the caller's scopes to read, and not to change: it also hangs, or lies, where they do not reach."""

    code = "partly_out_of_scope"
    title = "Partly outside the caller's scope"

    def __init__(self, kind: str = "resource") -> None:
        super().__init__(kind, f"The {kind} has a further place outside your scopes: you may read it, not change it")


class NotFound(HoldfastError):
    """No such thing in the actor's account. `kind` names what was looked for: attachment, record, folder, …"""

    code = "not_found"
    title = "Not found"

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(detail or f"{kind.capitalize()} not found")
        self.kind = kind


class Unrenderable(NotFound):
    """The file has no picture, for good. `reason` is one word, as `NoRendition` has it."""

    code = "no_rendition"
    title = "No rendition"

    def __init__(self, reason: str = "unsupported") -> None:
        super().__init__("rendition", f"This file has no thumbnail: {reason}")
        self.reason = reason


class Invalid(HoldfastError):
    """The request contradicts a rule; `fields` says where."""

    code = "invalid"
    title = "Invalid request"


class Malformed(Invalid):
    """The request cannot be parsed: broken JSON, multipart, path or header."""

    code = "malformed"
    title = "Malformed request"


class Incomplete(Invalid):
    """The body ended before all of it had arrived; nothing of it is kept."""

    code = "incomplete"
    title = "Incomplete body"


class DigestMismatch(Invalid):
    """The bytes received do not have the digest that the client announced."""

    code = "digest_mismatch"
    title = "Digest mismatch"


class KeyReused(Invalid):
    """The idempotency key was used before, for a request that said something else."""

    code = "idempotency_key_reused"
    title = "Idempotency key reused"


class Conflict(HoldfastError):
    """The change collides with something that exists."""

    code = "conflict"
    title = "Conflict"


class Stale(Conflict):
    """The caller's precondition names an older revision."""

    code = "stale"
    title = "Precondition failed"


class TooLarge(HoldfastError):
    """More bytes than allowed. `limit` is in bytes."""

    code = "too_large"
    title = "Too large"

    def __init__(self, limit: int, detail: str = "") -> None:
        super().__init__(detail or f"The file is larger than the limit of {limit} bytes")
        self.limit = limit


class UnsupportedType(HoldfastError):
    """The media type is not among those allowed."""

    code = "unsupported_type"
    title = "Unsupported media type"


class QuotaExceeded(HoldfastError):
    """The account's quota of bytes or of attachments would be passed."""

    code = "quota_exceeded"
    title = "Quota exceeded"


class RateLimited(HoldfastError):
    """Too many requests; `retry_after` is in seconds."""

    code = "rate_limited"
    title = "Too many requests"

    def __init__(self, retry_after: int, detail: str = "") -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class ContentLost(HoldfastError):
    """The catalog knows the bytes, the store does not have them whole."""

    code = "content_lost"
    title = "Content unavailable"


class Unavailable(HoldfastError):
    """A part of the system cannot answer now; `retry_after` is in seconds.

    `unsure`: what was asked for may have been done all the same, or be found done after a crash. `outage`: nothing else
    can be asked of that part either.
    """

    code = "unavailable"
    title = "Temporarily unavailable"

    def __init__(self, detail: str = "", *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        self.unsure = False
        self.outage = False


class StorageFull(Unavailable):
    """No room for the bytes or for the row."""

    code = "storage_full"
    title = "Insufficient storage"
