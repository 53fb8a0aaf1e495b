"""What stores say, as the driver passes it on, and what is made of it. The texts are those of the stores themselves."""

import pytest
from obstore.exceptions import AlreadyExistsError, GenericError, PreconditionError

from holdfast.blobs.answers import Meaning, read_answer

SAID = "Error performing PUT in 2ms - Server returned non-2xx status code: "
BULK = "Object at location 7/a not found: Bulk delete request failed for key 7/a: The specified "


def coded(status: str, code: str) -> str:
    body = f'<?xml version="1.0"?>\n<Error>\n  <Code>{code}</Code>\n</Error>'
    return f"{SAID}{status}: {body}\n\n\nDebug source:\nBlobNotFound"


@pytest.mark.parametrize(
    ("error", "meaning", "again"),
    [
        (PreconditionError(coded("412 Precondition Failed", "PreconditionFailed")), "exists", False),
        (AlreadyExistsError(coded("409 Conflict", "BlobAlreadyExists")), "exists", False),
        (AlreadyExistsError(coded("409 Conflict", "ConditionalRequestConflict")), "failed", True),
        (FileNotFoundError(coded("404 Not Found", "NoSuchKey")), "missing", False),
        (FileNotFoundError(coded("404 Not Found", "BlobNotFound")), "missing", False),
        (FileNotFoundError(coded("404 Not Found", "NoSuchBucket")), "failed", False),
        (FileNotFoundError(coded("404 Not Found", "ContainerNotFound")), "failed", False),
        (FileNotFoundError(f"{SAID}404 Not Found: <html>The specified page does not exist</html>"), "failed", False),
        (FileNotFoundError(f"{BULK}blob does not exist. (code: 404)"), "missing", False),
        (FileNotFoundError(f"{BULK}container does not exist. (code: 404)"), "failed", True),
        (GenericError(coded("416 Range Not Satisfiable", "InvalidRange")), "beyond", False),
        (GenericError("Wanted range starting at 3, but object was only 3 bytes long"), "beyond", False),
        (GenericError(coded("507 Insufficient Storage", "InsufficientStorage")), "full", False),
        (GenericError("error sending request"), "failed", True),
        (TimeoutError(), "failed", True),
    ],
)
def test_what_an_answer_means(error: BaseException, meaning: Meaning, again: bool) -> None:
    answer = read_answer(error)
    assert (answer.meaning, answer.again) == (meaning, again)
