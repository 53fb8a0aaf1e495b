"""Opening a bucket by its URL, and saying what is wrong when it cannot be used.

    s3://bucket/prefix     Amazon S3 and all that speak its protocol
    gs://bucket/prefix     Google Cloud Storage
    az://container/prefix  Azure Blob Storage

Credentials, and whatever else is not given here, are found by the driver where the vendor's own tools find them.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from holdfast.blobs.answers import FAILURES, Answer, read_answer

Bucket = S3Store | GCSStore | AzureStore

SCHEMES = ("s3", "gs", "az")

# Each caller has its own limit; a body may be read for as long as its reader takes.
_DAY = 24 * 3600.0
# A start with a wrong address should say so soon.
_CHECK_SECONDS = 5.0


class BucketOptions(msgspec.Struct, frozen=True):
    """Where a bucket is and how its objects are encrypted; what is empty is left to the driver and the environment.

    `encryption` is `AES256`, `aws:kms` or `aws:kms:dsse`, `encryption_key` the id of a key for the latter two, and
    `bucket_key` whether one data key serves the whole bucket. All but `url` are for S3.
    """

    url: str
    endpoint: str = ""
    region: str = ""
    encryption: str = ""
    encryption_key: str = ""
    bucket_key: bool = False


class BucketError(Exception):
    """The bucket cannot be used. `about` is what to look at: the bucket, its endpoint or the credentials."""

    def __init__(self, about: str, problem: str) -> None:
        super().__init__(problem)
        self.about = about


class Doors(msgspec.Struct, frozen=True):
    """Two ways into the same bucket: `once` makes each request once, `again` repeats those that failed by itself."""

    once: Bucket
    again: Bucket


class Retries(msgspec.Struct, frozen=True):
    """How often the driver repeats what failed, by itself: `most` times `within`, with pauses from `first` to
    `longest`, while each attempt has `request`. Times in seconds."""

    most: int
    within: float
    request: float
    first: float = 0.1
    longest: float = 5.0


def open_doors(options: BucketOptions, retries: Retries) -> Doors:
    """Name the bucket, without asking anything of it. Raises `BucketError`."""
    once = Retries(0, retries.within, _DAY)
    return Doors(once=_open(options, once), again=_open(options, retries))


def check(options: BucketOptions) -> None:
    """List the bucket once; blocks. Raises `BucketError`."""
    bucket = _open(options, Retries(1, _CHECK_SECONDS, _CHECK_SECONDS))
    try:
        next(iter(bucket.list(chunk_size=1)), None)
    except FAILURES as error:
        raise _problem(options, read_answer(error)) from None


def _open(options: BucketOptions, retries: Retries) -> Bucket:
    parts = urlsplit(options.url)
    make: dict[str, Callable[..., Bucket]] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
    settings: dict[str, Any] = _s3_settings(options) if parts.scheme == "s3" else {}
    try:
        return make[parts.scheme](
            parts.netloc,
            prefix=unquote(parts.path).strip("/") or None,
            client_options=_client(options, retries.request),
            retry_config={
                "max_retries": retries.most,
                "retry_timeout": timedelta(seconds=retries.within),
                "backoff": {
                    "init_backoff": timedelta(seconds=retries.first),
                    "max_backoff": timedelta(seconds=retries.longest),
                    "base": 2,
                },
            },
            **settings,
        )
    except (BaseError, ValueError) as error:
        raise BucketError("bucket", f"this cannot be opened: {type(error).__name__}") from None


def _client(options: BucketOptions, request: float) -> dict[str, Any]:
    client: dict[str, Any] = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=request)}
    if options.endpoint.startswith("http://"):
        client["allow_http"] = True
    return client


def _s3_settings(options: BucketOptions) -> dict[str, Any]:
    given = {
        "endpoint": options.endpoint,
        "region": options.region,
        "server_side_encryption": options.encryption,
        "sse_kms_key_id": options.encryption_key,
        "sse_bucket_key_enabled": options.bucket_key,
    }
    # Deleting many at once is not spoken by every store, and gains nothing where each is its own decision.
    return {name: value for name, value in given.items() if value} | {"disable_bulk_delete": True}


def _problem(options: BucketOptions, answer: Answer) -> BucketError:
    place = options.endpoint or "the store"
    if answer.code in ("NoSuchBucket", "ContainerNotFound") or answer.status == 404:
        return BucketError("bucket", f"there is no such bucket at {place} ({answer})")
    if answer.status in (301, 307, 400) and answer.code in ("", "PermanentRedirect", "AuthorizationHeaderMalformed"):
        return BucketError("region", f"the bucket is in another region ({answer})")
    if answer.meaning == "refused":
        return BucketError("credentials", f"{place} refuses these credentials ({answer})")
    if answer.status is None:
        return BucketError("endpoint", f"{place} does not answer: {answer}")
    return BucketError("bucket", f"{place} does not let it be listed ({answer})")
