"""PostgreSQL's errors in the core's words."""

from collections.abc import Callable

import psycopg
from psycopg import errors

from holdfast.core.errors import CLOSED, CLOSED_SECONDS, Conflict, Invalid, StorageFull, Unavailable

_AWAY = "The catalog cannot be reached"
_BUSY = "The catalog is busy with other changes"
_TOLD: tuple[tuple[type[psycopg.Error], Callable[[], Exception]], ...] = (
    (errors.NoDataFound, lambda: LookupError("no such row")),
    (errors.NotNullViolation, lambda: Conflict("It hangs on what is not there")),
    (errors.ForeignKeyViolation, lambda: Conflict("It hangs on what is not there")),
    (errors.IntegrityError, lambda: Conflict("The value is already in use")),
    (
        errors.ProgramLimitExceeded,
        lambda: Invalid("The path is too long for this catalog", fields={"path": "too long"}),
    ),
    (errors.DiskFull, lambda: StorageFull("There is no room left for the catalog")),
    (errors.QueryCanceled, lambda: Unavailable("The query took too long; narrow it")),
    (errors.LockNotAvailable, lambda: Unavailable(_BUSY)),
    (errors.SerializationFailure, lambda: Unavailable(_BUSY)),
    (errors.DeadlockDetected, lambda: Unavailable(_BUSY)),
    (errors.ObjectNotInPrerequisiteState, lambda: Unavailable(CLOSED, retry_after=CLOSED_SECONDS)),
    (errors.ReadOnlySqlTransaction, lambda: Unavailable(_AWAY)),
    (errors.OperationalError, lambda: Unavailable(_AWAY)),
)
"""In this order: an error that is of several kinds is told as the first of them."""


def core_error(error: psycopg.Error) -> Exception:
    """The core's error for one of the engine's; the error itself if it is a fault of this program or its set-up."""
    return next((told() for kind, told in _TOLD if isinstance(error, kind)), error)


def is_lost(error: BaseException) -> bool:
    """Whether the connection is of no more use: it is gone, or leads to a server that takes no changes any more."""
    if isinstance(error, TimeoutError | errors.ReadOnlySqlTransaction | errors.IdleInTransactionSessionTimeout):
        return True
    if not isinstance(error, psycopg.OperationalError):
        return False
    state = error.sqlstate
    return state is None or state.startswith("08") or state in {"57P01", "57P02", "57P03", "57P05"}


def may_be_tried_again(error: BaseException) -> bool:
    """Whether the same transaction may well succeed when it is begun anew."""
    return isinstance(error, errors.SerializationFailure | errors.DeadlockDetected) or is_lost(error)


def raised(error: psycopg.Error | TimeoutError) -> Exception:
    """As `core_error`, for time that ran out on this side as well."""
    return Unavailable("The catalog does not answer") if isinstance(error, TimeoutError) else core_error(error)
