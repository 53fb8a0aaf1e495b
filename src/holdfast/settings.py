"""Every setting of the server: name, type, default and help in one place, and the only reader of the environment.

A value is taken from the last of these that gives one: the default, `holdfast.toml` (in the data folder, or named by
`--config` or `HOLDFAST_CONFIG`), the environment (`HOLDFAST_<NAME>`), the command line.
"""

import difflib
import ipaddress
import os
import re
import tomllib
import typing
from collections.abc import Collection, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NoReturn
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec
from msgspec import Meta

ENVIRONMENT_PREFIX: Final = "HOLDFAST_"
CONFIG_VARIABLE: Final = "HOLDFAST_CONFIG"
CONFIG_NAME: Final = "holdfast.toml"
ALL_DIALECTS: Final = "all"
BUCKETS: Final = ("s3", "gs", "az")
"""Schemes of the URLs that name an object store."""

_DECIMAL: Final = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_BINARY: Final = {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_UNITS: Final = _DECIMAL | _BINARY
_SIZE: Final = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([a-zA-Z]*)", re.ASCII)
_BUCKET: Final = re.compile(r"[a-z0-9]+://[A-Za-z0-9][A-Za-z0-9._-]*(/(?!\.{1,2}(/|$))[A-Za-z0-9._=+-]+)*/?", re.ASCII)
_SWITCH: Final = {"on": True, "yes": True, "off": False, "no": False}


class SettingsError(ValueError):
    """A setting that cannot be used; its text is one line that names the setting and where it was given."""

    def __init__(self, setting: str, problem: str, origin: str | None = None) -> None:
        """Keep the parts apart, so that whoever knows where the value came from can say so."""
        super().__init__(f"{origin or setting}: {problem}")
        self.setting = setting
        self.problem = problem


class Size(int):
    """A number of bytes, given as a number or with a unit: `5GiB`, `50 MB`."""

    __slots__ = ()


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator can choose. Construction fills what depends on `data` and refuses what cannot work."""

    data: Annotated[Path, Meta(description="Folder of everything the server keeps; made on first start.")] = Path(
        "data"
    )
    catalog: Annotated[
        str,
        Meta(
            description="Where rows are kept: sqlite:///path or postgresql://host/name. Default: a file inside data.",
            extra={"secret": True},
        ),
    ] = ""
    catalog_connections: Annotated[
        int, Meta(description="Connections of each server process to a PostgreSQL catalog, at most.", ge=1, le=1000)
    ] = 10
    blobs: Annotated[
        str,
        Meta(
            description="Where contents are kept: file:///path, or s3://, gs:// or az://bucket/prefix. "
            "Default: a folder inside data.",
            extra={"secret": True},
        ),
    ] = ""
    blobs_fallback: Annotated[
        str,
        Meta(
            description="Where contents are read from while holdfast move has not yet brought them to blobs.",
            extra={"secret": True},
        ),
    ] = ""
    s3_endpoint: Annotated[
        str, Meta(description="Address of an S3-compatible store. Default: that of Amazon's region.")
    ] = ""
    s3_region: Annotated[str, Meta(description="Region of the bucket. Default: AWS_REGION, else us-east-1.")] = ""
    s3_encryption: Annotated[
        Literal["bucket", "aes256", "aws:kms", "aws:kms:dsse"],
        Meta(description="How the S3 store encrypts what it is sent; bucket: as the bucket itself says."),
    ] = "bucket"
    s3_encryption_key: Annotated[
        str, Meta(description="Key for aws:kms and aws:kms:dsse. Default: the one that the account has for S3.")
    ] = ""
    s3_bucket_key: Annotated[
        bool, Meta(description="Whether one data key serves the whole bucket, which makes fewer calls to KMS.")
    ] = False
    host: Annotated[str, Meta(description="Address to listen on.", min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(description="Port to listen on.", ge=0, le=65535)] = 8080
    workers: Annotated[int, Meta(description="Server processes.", ge=1, le=1024)] = 1
    dialects: Annotated[tuple[str, ...], Meta(description="Names of the APIs to serve, or all.", min_length=1)] = (
        ALL_DIALECTS,
    )
    public_url: Annotated[
        str, Meta(description="Base of the URLs that replies print. Default: the host that the request named.")
    ] = ""
    trusted_proxies: Annotated[
        tuple[str, ...], Meta(description="Addresses or networks whose X-Forwarded-* headers count.")
    ] = ()
    records: Annotated[
        Literal["strict", "open"],
        Meta(description="strict: a record is registered before files hang on it; open: its first use makes it."),
    ] = "strict"
    upload_limit: Annotated[Size, Meta(description="Largest upload.")] = Size(5 * 2**30)
    case_iq_upload_limit: Annotated[Size, Meta(description="Largest upload through the Case IQ API.")] = Size(
        50 * 10**6
    )
    case_iq_files_per_case: Annotated[
        int, Meta(description="Files that one case may hold through the Case IQ API.", ge=1)
    ] = 1000
    case_iq_token_endpoint: Annotated[
        Literal["on", "off"], Meta(description="Whether Case IQ's clients can sign in by OAuth; off: 404.")
    ] = "on"  # noqa: S105 a switch
    trash_retention_days: Annotated[
        int, Meta(description="Days that a deleted attachment can be restored.", ge=0, le=36500)
    ] = 30
    render_on_upload: Annotated[
        bool,
        Meta(description="Whether thumbnails and facts of pictures are made right after an upload, or when asked for."),
    ] = True
    upkeep: Annotated[
        bool, Meta(description="Whether the server collects and verifies in the background, one process for all.")
    ] = True
    collect_interval_minutes: Annotated[
        int, Meta(description="Minutes from one collecting in the background to the next.", ge=1, le=525600)
    ] = 60
    collect_grace_hours: Annotated[
        int,
        Meta(description="Hours that bytes stay after the last use of them; keep it above the longest upload.", ge=1),
    ] = 24
    compact_below_percent: Annotated[
        int, Meta(description="A shared file is rewritten when less of it than this is in use.", ge=0, le=100)
    ] = 50
    verify_interval_hours: Annotated[
        int, Meta(description="Hours from one verifying in the background to the next.", ge=1, le=8760)
    ] = 24
    verify_rate: Annotated[
        Size, Meta(description="Bytes a second that verifying in the background reads; 0 is no limit.")
    ] = Size(16 * 2**20)
    four_hse_token_seconds: Annotated[
        int, Meta(description="Seconds that a session of the 4HSE API lives.", ge=1, le=31_536_000)
    ] = 300
    four_hse_refresh_seconds: Annotated[
        int, Meta(description="Seconds for which it can be renewed.", ge=1, le=31_536_000)
    ] = 1800
    four_hse_delete_without_force: Annotated[
        Literal["never", "unlinked"],
        Meta(description="What the 4HSE API deletes without force: nothing, or what nothing is linked to."),
    ] = "never"
    navarik_token_days: Annotated[
        int, Meta(description="Days that a token of the Navarik Bridge API lives.", ge=1, le=3650)
    ] = 12
    property_deck_rate_limit: Annotated[
        int, Meta(description="Requests a minute and user through the Property Deck API; 0 is no limit.", ge=0)
    ] = 60
    propops_rate_limit: Annotated[
        int,
        Meta(
            description="Requests a minute through the PropOps API, for each caller and for each address "
            "without a valid token; 0 is no limit.",
            ge=0,
        ),
    ] = 600
    propops_disposition: Annotated[
        Literal["attachment", "inline"],
        Meta(description="Whether PropOps downloads are to be saved (attachment) or shown (inline)."),
    ] = "attachment"
    address_requests: Annotated[
        int,
        Meta(description="Requests that one client address may have under way in one worker; 0 is no limit.", ge=0),
    ] = 1024
    address_uploads: Annotated[
        int,
        Meta(description="How many of these may be bringing a body; 0 is no limit.", ge=0),
    ] = 256
    stop_notice_seconds: Annotated[
        int,
        Meta(
            description="Seconds that a server that is told to stop goes on to serve while /health/ready says 503.",
            ge=0,
            le=600,
        ),
    ] = 0
    metrics_access: Annotated[
        Literal["open", "token"], Meta(description="Whether /metrics is open to all or needs a token.")
    ] = "open"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least severity that is logged.")
    ] = "info"
    log_format: Annotated[Literal["json", "text"], Meta(description="Shape of a line of the log.")] = "json"
    access_log: Annotated[bool, Meta(description="Whether each request is logged.")] = True

    def __post_init__(self) -> None:
        """Make `data` absolute, place the default stores inside it, and check what types cannot say."""
        data = self.data.expanduser().absolute()
        msgspec.structs.force_setattr(self, "data", data)
        if not self.catalog:
            msgspec.structs.force_setattr(self, "catalog", _local_url("sqlite", data / "catalog.sqlite"))
        if not self.blobs:
            msgspec.structs.force_setattr(self, "blobs", _local_url("file", data / "blobs"))
        msgspec.structs.force_setattr(self, "public_url", self.public_url.rstrip("/"))
        _check_store("catalog", self.catalog, local="sqlite", remote=("postgresql",))
        _check_store("blobs", self.blobs, local="file", remote=BUCKETS)
        _check_bucket(self.blobs)
        if self.blobs_fallback:
            _check_store("blobs_fallback", self.blobs_fallback, local="file", remote=BUCKETS)
            _check_bucket(self.blobs_fallback)
        _check_s3(self.s3_endpoint, self.s3_encryption, self.s3_encryption_key)
        _check_public_url(self.public_url)
        _check_networks(self.trusted_proxies)

    def choose_dialects(self, available: Collection[str]) -> tuple[str, ...]:
        """Name those of the available dialects that are on, in the order in which they are available."""
        if ALL_DIALECTS in self.dialects:
            return tuple(available)
        for name in self.dialects:
            if name not in available:
                known = ", ".join([*available, ALL_DIALECTS])
                raise SettingsError("dialects", f"there is no dialect {name!r}; known are {known}")
        return tuple(name for name in available if name in self.dialects)


class Setting(msgspec.Struct, frozen=True):
    """One setting as documentation, command line and doctor show it."""

    name: str
    variable: str
    values: str
    default: str
    help: str
    secret: bool
    """May hold a password: its value is never printed."""


class _Given(msgspec.Struct, frozen=True):
    """A value as somebody gave it, and the words that say where."""

    value: object
    origin: str
    as_text: bool
    """Written where only text can be written, so that numbers, switches and lists are read out of it."""


def describe_settings() -> tuple[Setting, ...]:
    """List every setting with its help, in the order in which they are declared."""
    return tuple(_describe(field) for field in msgspec.structs.fields(Settings))


def load_settings(
    *,
    overrides: Mapping[str, object] | None = None,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Gather the settings from the file, the environment and the overrides, the last one winning.

    An override of None and an empty variable count as not given. Raises SettingsError.
    """
    environ = os.environ if environ is None else environ
    later = _from_environment(environ) | _from_overrides(overrides or {})
    given = _from_file(config, environ, later) | later
    values = {name: _convert(name, entry) for name, entry in given.items()}
    try:
        return Settings(**values)
    except SettingsError as error:
        origin = given[error.setting].origin if error.setting in given else None
        raise SettingsError(error.setting, error.problem, origin) from None


def read_size(text: str) -> Size:
    """Read a number of bytes with or without a unit, as settings write it. Raises SettingsError."""
    try:
        return _parse_size(text)
    except ValueError:
        raise SettingsError("size", "expected a size such as 5GiB or 50 MB") from None


def store_name(url: str) -> str:
    """The URL of a catalog or blob store as it may be shown and kept: without user, password and options."""
    parts = urlsplit(url)
    host = dict(parse_qsl(parts.query)).get("host", "")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2] or host}/{parts.path.lstrip('/')}"


def local_path(url: str) -> Path:
    """Give the path that a `sqlite:` or `file:` URL of the settings names."""
    return Path(unquote(urlsplit(url).path))


def _from_environment(environ: Mapping[str, str]) -> dict[str, _Given]:
    given = {}
    for variable, value in environ.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable == CONFIG_VARIABLE or not value:
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        if name not in Settings.__struct_fields__ or variable != variable.upper():
            _refuse_unknown(variable, ENVIRONMENT_PREFIX + _closest(name).upper())
        given[name] = _Given(value=value, origin=variable, as_text=True)
    return given


def _from_overrides(overrides: Mapping[str, object]) -> dict[str, _Given]:
    given = {}
    for name, value in overrides.items():
        if name not in Settings.__struct_fields__:
            _refuse_unknown(name, _closest(name))
        if value is not None:
            origin = "--" + name.replace("_", "-")
            given[name] = _Given(value=value, origin=origin, as_text=isinstance(value, str))
    return given


def _from_file(config: Path | None, environ: Mapping[str, str], later: Mapping[str, _Given]) -> dict[str, _Given]:
    named = config or Path(environ.get(CONFIG_VARIABLE, ""))
    if named != Path():
        return _read_file(named.expanduser())
    data = _convert("data", later["data"]) if "data" in later else Settings().data
    found = data.expanduser() / CONFIG_NAME
    if not found.exists():
        return {}
    given = _read_file(found)
    if "data" in given:
        raise SettingsError(
            "data", "a file inside the data folder cannot say where that folder is", given["data"].origin
        )
    return given


def _read_file(path: Path) -> dict[str, _Given]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError("config", f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError("config", f"{path} is not valid TOML: {error}") from None
    given = {}
    for name, value in content.items():
        if name not in Settings.__struct_fields__:
            _refuse_unknown(f"{name} in {path}", _closest(name))
        # A relative folder in a file means relative to that file: the server may be started from anywhere.
        placed = str(path.absolute().parent / value) if name == "data" and isinstance(value, str) else value
        given[name] = _Given(value=placed, origin=f"{name} in {path}", as_text=False)
    return given


def _closest(name: str) -> str:
    return difflib.get_close_matches(name.lower(), Settings.__struct_fields__, n=1, cutoff=0.0)[0]


def _refuse_unknown(origin: str, closest: str) -> NoReturn:
    raise SettingsError(origin, f"there is no such setting; the closest is {closest}")


def _convert(name: str, given: _Given) -> Any:  # noqa: ANN401 -- the type is the field's, known at run time only
    field = next(field for field in msgspec.structs.fields(Settings) if field.name == name)
    value = _parse_text(given.value, field.type) if given.as_text else given.value
    try:
        return msgspec.convert(value, field.type, strict=not given.as_text, dec_hook=_decode)
    except msgspec.ValidationError:
        shown = "" if _is_secret(field.type) else f", not {given.value!r}"
        raise SettingsError(name, f"expected {_describe_values(field.type)}{shown}", given.origin) from None


def _parse_text(value: object, type_: object) -> object:
    """Read what a variable or an option can only write as text."""
    if not isinstance(value, str):
        return value
    bare = _bare(type_)
    text = value.strip()
    if bare is bool:
        return _SWITCH.get(text.lower(), text)
    if typing.get_origin(bare) is tuple:
        return [item.strip() for item in text.split(",") if item.strip()]
    if typing.get_origin(bare) is Literal:
        return text.lower()
    return text


def _decode(type_: type, value: object) -> object:
    """Read the types that msgspec does not know."""
    if type_ is Path and isinstance(value, str) and value and "\0" not in value:
        return Path(value)
    if type_ is Size and isinstance(value, int | str) and not isinstance(value, bool):
        return _parse_size(str(value))
    raise ValueError(type_.__name__)


def _parse_size(text: str) -> Size:
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[2].lower() not in _UNITS:
        raise ValueError(text)
    return Size(Fraction(match[1]) * _UNITS[match[2].lower()])


def _describe(field: msgspec.structs.FieldInfo) -> Setting:
    meta = _meta(field.type)
    return Setting(
        name=field.name,
        variable=ENVIRONMENT_PREFIX + field.name.upper(),
        values=_describe_values(field.type),
        default=_show(field.default),
        help=meta.description or "",
        secret=_is_secret(field.type),
    )


def _describe_values(type_: object) -> str:
    bare, meta = _bare(type_), _meta(type_)
    if typing.get_origin(bare) is Literal:
        return " or ".join(typing.get_args(bare))
    if typing.get_origin(bare) is tuple:
        return "a list of names between commas"
    if bare is int:
        return f"a whole number from {meta.ge}" + ("" if meta.le is None else f" to {meta.le}")
    return {bool: "true or false", Size: "a size such as 5GiB or 50 MB", Path: "a path"}.get(bare, "text")


def _show(value: object) -> str:
    if isinstance(value, Size):
        return _show_size(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value)


def _show_size(size: Size) -> str:
    for unit in ("TiB", "TB", "GiB", "GB", "MiB", "MB", "KiB", "KB"):
        count, rest = divmod(size, _UNITS[unit.lower()])
        if count and not rest:
            return f"{count} {unit}"
    return f"{int(size)} bytes"


def _meta(type_: object) -> Meta:
    meta: Meta = typing.get_args(type_)[1]
    return meta


def _bare(type_: object) -> Any:  # noqa: ANN401 -- a type form, for which Python 3.11 has no type
    return typing.get_args(type_)[0]


def _is_secret(type_: object) -> bool:
    return bool((_meta(type_).extra or {}).get("secret"))


def _local_url(scheme: str, path: Path) -> str:
    return path.as_uri().replace("file:", f"{scheme}:", 1)


def _split(setting: str, url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise SettingsError(setting, "this is not a valid URL") from None


def _check_store(setting: str, url: str, *, local: str, remote: tuple[str, ...]) -> None:
    parts = _split(setting, url)
    if parts.scheme == local:
        if parts.netloc or not parts.path.startswith("/") or parts.path == "/":
            raise SettingsError(setting, f"write {local}:/// and an absolute path, such as {local}:///srv/holdfast")
    elif parts.scheme not in remote or not (parts.netloc or ("postgresql" in remote and "host=" in parts.query)):
        raise SettingsError(setting, f"expected {local}:///path or {'://…, '.join(remote)}://…")


def _check_bucket(url: str) -> None:
    if url.startswith(tuple(f"{scheme}:" for scheme in BUCKETS)) and not _BUCKET.fullmatch(url):
        raise SettingsError(
            "blobs", "expected s3://bucket/prefix, of letters, digits and - . _ alone; credentials are given apart"
        )


def _check_s3(endpoint: str, encryption: str, key: str) -> None:
    parts = _split("s3_endpoint", endpoint)
    if endpoint and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.username):
        raise SettingsError("s3_endpoint", "expected an address such as https://s3.example.com")
    if key and not encryption.startswith("aws:kms"):
        raise SettingsError("s3_encryption_key", "a key is used only where s3_encryption is aws:kms or aws:kms:dsse")


def _check_public_url(url: str) -> None:
    parts = _split("public_url", url)
    if url and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment):
        raise SettingsError("public_url", f"expected an address such as https://files.example.com, not {url!r}")


def _check_networks(networks: tuple[str, ...]) -> None:
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise SettingsError("trusted_proxies", f"expected addresses or networks: {error}") from None
