"""Rules for names and paths. Nothing is trimmed or normalised: what is accepted is kept byte for byte."""

from holdfast.core.errors import Invalid
from holdfast.core.model import ROOT, has_control_characters

MAX_NAME = 255
MAX_PATH = 1024


def checked_name(name: str) -> str:
    """The name itself, if it can be kept exactly. Raises `Invalid`.

    1 to 255 characters, no control characters (NUL among them), no `/`, not `.` or `..`. Nothing is trimmed or
    normalised: what is accepted is stored and returned byte for byte.
    """
    if not name:
        raise Invalid("A name is needed", fields={"name": "empty"})
    if len(name) > MAX_NAME:
        raise Invalid(f"A name has at most {MAX_NAME} characters", fields={"name": "too long"})
    if has_control_characters(name):
        raise Invalid("A name holds no control characters", fields={"name": "control characters"})
    if "/" in name or name in {".", ".."}:
        raise Invalid("A name is not a path", fields={"name": "path characters"})
    return name


def checked_folder(path: str) -> str:
    """The canonical path of a folder: absolute, no trailing slash, every segment a name. Raises `Invalid`."""
    if not path.startswith("/"):
        raise Invalid("A path begins with '/'", fields={"path": "not absolute"})
    if len(path) > MAX_PATH:
        raise Invalid(f"A path has at most {MAX_PATH} characters", fields={"path": "too long"})
    trimmed = path.removesuffix("/")
    if not trimmed:
        return ROOT
    for segment in trimmed[1:].split("/"):
        try:
            checked_name(segment)
        except Invalid as refused:
            raise Invalid(refused.detail, fields={"path": refused.fields["name"]}) from None
    return trimmed


def split_path(path: str) -> tuple[str, str]:
    """Folder and name of a file's path. Raises `Invalid` for the root and whatever `checked_folder` refuses."""
    if path.endswith("/"):
        raise Invalid("A file's path does not end with '/'", fields={"path": "names a folder"})
    folder, _, name = checked_folder(path).rpartition("/")
    return folder or ROOT, name


def numbered(name: str, attempt: int) -> str:
    """The name to try at that attempt: `report.pdf`, `report (2).pdf`, `report (3).pdf`, …"""
    if attempt == 1:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem:
        stem, dot, extension = name, "", ""
    return f"{stem} ({attempt}){dot}{extension}"


def is_below(path: str, folder: str) -> bool:
    """Whether the path is the folder itself or lies anywhere below it."""
    return folder in {ROOT, path} or path.startswith(folder + "/")
