"""Pages by number (contract section 3, "Pagination")."""

from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlencode

import msgspec

from holdfast.core.ports import Window
from holdfast.dialects.property_deck.errors import Refused
from holdfast.dialects.property_deck.filters import Asked, Path, asked
from holdfast.dialects.property_deck.shapes import Links, PageMeta, Pagination
from holdfast.web.dialect import Call

LAST_PAGE: Final = 1_000_000_000

_IGNORED: Final = ("embed", "include")
"""Nothing can be embedded in an attachment, and asking for it is no mistake."""


class Sheet(NamedTuple):
    """Which page is wanted, how long pages are, and what else was asked."""

    page: int
    per_page: int
    filters: dict[Path, Asked]

    @property
    def window(self) -> Window:
        """The rows of the page, and how many there are in all."""
        return Window(self.per_page, offset=(self.page - 1) * self.per_page, total=True)


def read_sheet(call: Call) -> Sheet:
    """Read `page` and `per_page`; what is left are filters. Raises `Refused`."""
    wanted = asked(call.req.params)
    for name in _IGNORED:
        wanted.pop((name,), None)
    most = int(call.choice("max_page_size"))
    per_page = _whole(wanted, "per_page", min(int(call.choice("page_size")), most), most)
    return Sheet(_whole(wanted, "page", 1, LAST_PAGE), per_page, wanted)


def _whole(wanted: dict[Path, Asked], name: str, default: int, most: int) -> int:
    given = wanted.pop((name,), None)
    if given is None:
        return default
    text, label = given.values[0], name.replace("_", " ")
    if given.many or not (text.isascii() and text.removeprefix("-").isdigit()) or len(text) > 18:
        raise Refused({name: f"The {label} must be an integer."})
    if not 1 <= int(text) <= most:
        raise Refused({name: f"The {label} must be between 1 and {most}."})
    return int(text)


def page_meta(call: Call, sheet: Sheet, count: int, total: int) -> PageMeta:
    """Where the page lies. An empty list has one page; a page past the end is empty and leads back to the last."""
    pages = max(1, -(-total // sheet.per_page))
    previous = _link(call, min(sheet.page - 1, pages)) if sheet.page > 1 else msgspec.UNSET
    following = _link(call, sheet.page + 1) if sheet.page < pages else msgspec.UNSET
    return PageMeta(Pagination(total, count, sheet.per_page, sheet.page, pages, Links(previous, following)))


def _link(call: Call, page: int) -> str:
    """The same request for another page."""
    others = [pair for pair in parse_qsl(call.req.query_string, keep_blank_values=True) if pair[0] != "page"]
    return f"{call.base_url}{call.req.path}?{urlencode([*others, ('page', str(page))])}"
