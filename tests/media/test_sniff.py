"""The table of signatures, and the rule that no answer is more active than the bytes."""

import io
import itertools
import sys
import zipfile
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from _typeshed import TraceFunction

from holdfast.media.sniff import HTML, INLINE, SVG, TEXT, UNKNOWN, XML, sniff
from holdfast.web.content import INLINE_TYPES


def box(own: bytes, *others: bytes) -> bytes:
    """An ISO media head with these brands."""
    body = b"ftyp" + own + b"\0\0\0\0" + b"".join(others)
    return (len(body) + 4).to_bytes(4, "big") + body + b"\0\0\0\x08free"


def mp3() -> bytes:
    """Two layer III frames of 128 kbit/s at 44.1 kHz, 417 bytes each."""
    return (b"\xff\xfb\x90\x00" + bytes(413)) * 2


def aac() -> bytes:
    """Two ADTS frames of 100 bytes."""
    return (b"\xff\xf1\x50\x80\x0c\x9f\xfc" + bytes(93)) * 2


def package(*entries: tuple[str, bytes]) -> bytes:
    """A ZIP with these entries, stored."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue()[:4096]


BMP = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0\0\0\x02\0\0\0\x01\0\x18\0" + bytes(40)

SHOWABLE: dict[str, bytes] = {
    "image/jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF",
    "image/png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "image/gif": b"GIF89a\x01\0\x01\0",
    "image/webp": b"RIFF\x24\0\0\0WEBPVP8 ",
    "image/avif": box(b"avif", b"mif1", b"miaf"),
    "image/heic": box(b"heic", b"mif1", b"heic"),
    "image/heif": box(b"mif1", b"miaf"),
    "image/tiff": b"II*\0\x08\0\0\0",
    "image/bmp": BMP,
    "application/pdf": b"%PDF-1.7\n%\xe2\xe3",
    "audio/mpeg": mp3(),
    "audio/aac": aac(),
    "audio/flac": b"fLaC\0\0\0\x22",
    "audio/wav": b"RIFF\x24\0\0\0WAVEfmt ",
    "audio/aiff": b"FORM\0\0\0\x10AIFFCOMM",
    "audio/ogg": b"OggS\0\x02" + bytes(20) + b"\x01\x13OpusHead",
    "audio/midi": b"MThd\0\0\0\x06\0\x01",
    "audio/amr": b"#!AMR\n\x3c",
    "audio/mp4": box(b"M4A ", b"isom"),
    "video/mp4": box(b"isom", b"mp41"),
    "video/quicktime": box(b"qt  "),
    "video/3gpp": box(b"3gp4"),
    "video/webm": b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm",
    "video/x-matroska": b"\x1aE\xdf\xa3\x93B\x82\x88matroska",
    "video/x-msvideo": b"RIFF\x24\0\0\0AVI LIST",
    "video/ogg": b"OggS\0\x02" + bytes(20) + b"\x01\x2a\x80theora",
    "video/mp2t": (b"G" + bytes(187)) * 3,
    "video/mpeg": b"\0\0\x01\xba\x44",
    "video/x-flv": b"FLV\x01\x05",
    "video/x-ms-asf": b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c",
}

PAGES: dict[bytes, str] = {
    b"<!DOCTYPE html><html>": HTML,
    b"  \r\n\t<HTML>": HTML,
    b"<script>alert(1)</script>": HTML,
    b"<ScRiPt\x0csrc=//x>": HTML,
    b"<!-- a --><!-- b --><script>": HTML,
    b"<!-- never closed": HTML,
    b"<!>": HTML,
    b"</x><script>": HTML,
    b"<img src=x onerror=alert(1)>": HTML,
    b"<x onclick=alert(1)>": XML,
    b"<x@y onclick=alert(1)>": HTML,
    b"<math><mtext></mtext></math>": HTML,
    b"<iframe src=javascript:alert(1)>": HTML,
    b"<?php echo 1 ?>": HTML,
    b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>": HTML,
    b"<?xml version='1.0'?><x:script xmlns:x='http://www.w3.org/1999/xhtml'/>": XML,
    b"<?xml version='1.0'?><math xmlns='http://www.w3.org/1998/Math/MathML'/>": XML,
    b"<?xml version='1.0'?><?xml-stylesheet href='data:,x'?><note/>": XML,
    b"<?xml version='1.0'?><!-- c --><svg xmlns='http://www.w3.org/2000/svg'/>": SVG,
    b"<svg onload=alert(1)>": SVG,
    b"<svg/onload=alert(1)>": SVG,
    b"<s:svg xmlns:s='http://www.w3.org/2000/svg'/>": SVG,
    b"<!DOCTYPE svg [ <!ENTITY x '>'> ]><svg/>": SVG,
    b"<!DOCTYPE note SYSTEM 'x'><note/>": XML,
    b"<note/>": XML,
    b"<rss version='2.0'>": XML,
    b"\xef\xbb\xbf<html>": HTML,
    b"\x00\x00<svg>": SVG,
    b"\x0c\x0b<html>": HTML,
}

TYPES = (
    *INLINE,
    HTML,
    SVG,
    XML,
    "application/xhtml+xml",
    "application/mathml+xml",
    "text/javascript",
    "application/javascript",
    "application/x-httpd-php",
    "text/css",
    "text/xsl",
    "text/event-stream",
    "multipart/x-mixed-replace",
    "message/rfc822",
    "application/wasm",
    "application/rdf+xml",
    "image/anything",
    "application/json",
    "text/csv",
    "application/vnd.example",
    "application/octet-stream",
    "",
    "nonsense",
    "a/b/c",
    "text/html\r\nX: y",
    "IMAGE/PNG; charset=utf-8",
    None,
)
EXTENSIONS = ("", "jpg", "png", "svg", "html", "xhtml", "js", "pdf", "mp4", "txt", "csv", "docx", "doc", "svgz", "htm")

NEVER = frozenset(
    {
        "application/xhtml+xml",
        "application/mathml+xml",
        "text/javascript",
        "application/javascript",
        "application/x-httpd-php",
        "text/css",
        "text/xsl",
        "text/event-stream",
        "multipart/x-mixed-replace",
        "message/rfc822",
        "application/wasm",
        "application/rdf+xml",
        "image/anything",
    }
)


@pytest.mark.parametrize("kind", SHOWABLE)
def test_a_signature_outranks_every_name_and_claim(kind: str) -> None:
    for extension, declared in itertools.product(EXTENSIONS, TYPES):
        assert sniff(SHOWABLE[kind], f"a.{extension}", declared) == kind


@pytest.mark.parametrize("page", PAGES)
def test_markup_is_named_as_markup_whatever_it_claims(page: bytes) -> None:
    for extension, declared in itertools.product(EXTENSIONS, TYPES):
        assert sniff(page, f"a.{extension}", declared) == PAGES[page]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_markup_is_seen_through_wide_encodings(codec: str, mark: str) -> None:
    assert sniff((mark + "  <script>é</script>").encode(codec), "a.txt", "text/plain") == HTML
    assert sniff((mark + "<?xml version='1.0'?><svg/>").encode(codec), "a.png", "image/png") == SVG


NOT_SHOWABLE = (
    b"\x00\x01\x02\x03" * 30,
    b"\xff\xfe\x00",
    b"\xff\xfb\x90\x00" + bytes(800),
    b"\xff\xf1\0",
    b"BM\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    b"RIFF\0\0\0\0XXXX",
    b"\0\0\0\x20ftypzzzz\0\0\0\0zzzzzzzzzzzzzzzz",
    b"\xff\xff\xff\xffftypisom\0\0",
    b"\x1aE\xdf\xa3\x9f",
    b"junk\0%PDF-1.7",
    b"\0PNG\r\n\x1a\n",
    b"OggS",
    b"PK\x03\x04",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    b"\x1f\x8b\x08\0",
    b"MZ\x90\0\x03",
    b"\x7fELF\x02",
)


@pytest.mark.parametrize("head", NOT_SHOWABLE)
def test_a_claim_without_its_signature_is_never_shown(head: bytes) -> None:
    for extension, declared in itertools.product(EXTENSIONS, TYPES):
        kind = sniff(head, f"a.{extension}", declared)
        assert kind not in INLINE
        assert kind not in NEVER


@pytest.mark.parametrize(
    "head", [b"alert(1)", b"plain words", b"a { color: red }", b"+ADw-script+AD4-", b"BM is a car"]
)
def test_text_is_never_more_than_inert_text(head: bytes) -> None:
    allowed = {TEXT, "text/csv", "application/json", "application/vnd.example"}
    for extension, declared in itertools.product(EXTENSIONS, TYPES):
        assert sniff(head, f"a.{extension}", declared) in allowed


@pytest.mark.parametrize(
    ("head", "name", "declared", "kind"),
    [
        (b"a,b\n1,2\n", "t.csv", None, "text/csv"),
        (b"a,b\n1,2\n", "t.csv", "application/vnd.ms-excel", "text/csv"),
        (b"a,b\n1,2\n", "t", "Text/CSV; charset=utf-8", "text/csv"),
        (b'{"a": 1}', "t.json", "application/octet-stream", "application/json"),
        (b"# Title\n", "README.md", None, "text/markdown"),
        (b"# Title\n", "README.md", "text/plain", TEXT),
        (b"x\0y", "t.csv", "text/csv", UNKNOWN),
        (b"x\0y", "t.json", "application/json", UNKNOWN),
        (b"x\0y", "t.x", "application/vnd.example", "application/vnd.example"),
        ("Žluťoučký kůň".encode(), "t", None, TEXT),
        ("Žluťoučký kůň".encode("cp1250"), "t.txt", None, TEXT),
        ("Žluťoučký kůň".encode("cp1250"), "t", None, UNKNOWN),
        ("\ufeffŽluťoučký".encode("utf-16-le"), "t", None, TEXT),
        ("\ufeffŽluťoučký".encode("utf-32-be"), "t", None, TEXT),
        (("é" * 2048).encode()[:4095], "t", None, TEXT),
        (b"", "t.txt", "text/plain", TEXT),
        (b"", "t", None, UNKNOWN),
        (b"", "t.html", "text/html", UNKNOWN),
        (b"", "t.png", "image/png", UNKNOWN),
        (b"#!/bin/sh\nrm x", "t.sh", "application/x-sh", TEXT),
        (b"<john@example.com> wrote", "t.txt", None, HTML),
        (b"1 < 2", "t.txt", None, TEXT),
        (b"< 2", "t.txt", None, TEXT),
        (b"{\\rtf1\\ansi}", "t.txt", None, "application/rtf"),
        (b"From: a@b\nTo: c@d\n", "t.eml", "message/rfc822", TEXT),
    ],
)
def test_text_families(head: bytes, name: str, declared: str | None, kind: str) -> None:
    assert sniff(head, name, declared) == kind


OOXML = "application/vnd.openxmlformats-officedocument."
ODT = "application/vnd.oasis.opendocument.text"


@pytest.mark.parametrize(
    ("entries", "name", "declared", "kind"),
    [
        (("[Content_Types].xml", "word/document.xml"), "a.bin", None, f"{OOXML}wordprocessingml.document"),
        (("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"), "a", None, f"{OOXML}spreadsheetml.sheet"),
        (("ppt/presentation.xml",), "a.pptx", None, f"{OOXML}presentationml.presentation"),
        (("word/document.xml",), "a.docm", None, "application/vnd.ms-word.document.macroenabled.12"),
        (("[Content_Types].xml",), "a.xlsx", None, f"{OOXML}spreadsheetml.sheet"),
        (("[Content_Types].xml",), "a.vsdx", None, "application/zip"),
        (("hello.txt",), "a.docx", f"{OOXML}wordprocessingml.document", "application/zip"),
        (("hello.txt",), "a.zip", "application/x-zip-compressed", "application/zip"),
        (("hello.txt",), "a.fancy", "application/vnd.fancy+zip", "application/vnd.fancy+zip"),
        (("META-INF/MANIFEST.MF",), "a.jar", None, "application/java-archive"),
        (("AndroidManifest.xml",), "a.apk", None, "application/vnd.android.package-archive"),
        (("index.html",), "a.html", "text/html", "application/zip"),
    ],
)
def test_zip_families(entries: tuple[str, ...], name: str, declared: str | None, kind: str) -> None:
    assert sniff(package(*((entry, b"x" * 50) for entry in entries)), name, declared) == kind


def test_a_package_that_states_its_type() -> None:
    assert sniff(package(("mimetype", ODT.encode()), ("content.xml", b"<a/>")), "a.zip", None) == ODT
    assert sniff(package(("mimetype", b"application/epub+zip")), "a.zip", None) == "application/epub+zip"
    assert sniff(package(("mimetype", b"text/html")), "a.odt", ODT) == "application/zip"
    assert sniff(package(("x", b""), ("mimetype", ODT.encode())), "a.odt", ODT) == "application/zip"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.doc", "application/msword"),
        ("a.XLS", "application/vnd.ms-excel"),
        ("a.msg", "application/vnd.ms-outlook"),
        ("a.png", "application/x-ole-storage"),
    ],
)
def test_ole_families(name: str, kind: str) -> None:
    assert sniff(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), name, "image/png") == kind


def test_polyglots_are_what_their_first_bytes_say() -> None:
    assert sniff(b"GIF89a/*\0*/=1;alert(1)", "a.js", "text/javascript") == "image/gif"
    assert sniff(b"%PDF-1.4\n<html><script>", "a.html", "text/html") == "application/pdf"
    assert sniff(b"<html>%PDF-1.4", "a.pdf", "application/pdf") == HTML
    assert sniff(b"\xff\xd8\xff\xe0<script>", "a.html", "text/html") == "image/jpeg"
    assert sniff(package(("<script>", b"")) + b"<html>", "a.html", "text/html") == "application/zip"
    assert sniff(b"\x1f\x8b\x08\0<svg>", "a.svgz", SVG) == "application/gzip"


HEADS = st.one_of(
    st.binary(max_size=4096),
    st.sampled_from([*SHOWABLE.values(), *PAGES, *NOT_SHOWABLE, b"PK\x03\x04" + bytes(26), b"", b"<!--"]).flatmap(
        lambda start: st.binary(max_size=200).map(lambda rest: start + rest)
    ),
    st.text(alphabet="<!->?/ \tabsvghtmlx[]\0:", max_size=300).map(str.encode),
)


@given(HEADS, st.text(max_size=40), st.none() | st.text(max_size=60) | st.sampled_from([t for t in TYPES if t]))
def test_any_input_gets_a_well_formed_answer(head: bytes, name: str, declared: str | None) -> None:
    kind = sniff(head, name, declared)
    family, slash, subtype = kind.partition("/")
    assert family
    assert slash
    assert subtype
    assert "/" not in subtype
    assert kind == kind.lower()
    assert kind.isascii()
    assert kind.isprintable()
    assert " " not in kind
    assert ";" not in kind
    assert kind not in NEVER


@given(st.binary(max_size=200), st.sampled_from(sorted(INLINE - {TEXT})))
def test_a_shown_type_is_never_taken_on_trust(head: bytes, declared: str) -> None:
    assert sniff(head, "a", declared) == sniff(head, "a", None)


def steps(work: Callable[[], object]) -> int:
    """The number of lines of Python that ran."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> "TraceFunction":
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "unit",
    [
        b"<",
        b"<!",
        b"<!>",
        b"<!---->",
        b"<!--",
        b"<?",
        b"<?>",
        b"</>",
        b" ",
        b"\0",
        b"PK\x03\x04",
        b"a",
        b"\xc3\xa9",
        b"<a",
    ],
)
def test_cost_does_not_grow_faster_than_the_head(unit: bytes) -> None:
    small = steps(lambda: sniff((unit * 1024)[:1024], "a.txt", "text/plain"))
    large = steps(lambda: sniff((unit * 4096)[:4096], "a.txt", "text/plain"))
    assert large <= 4 * small
    assert large <= 10_000


def test_a_long_type_or_name_costs_no_more() -> None:
    short = steps(lambda: sniff(b"text", "a.txt", "application/vnd.a"))
    assert steps(lambda: sniff(b"text", "a." * 10_000, "application/" + "a-" * 10_000)) <= 2 * short


def test_what_may_be_shown_is_the_same_list_where_types_are_told_and_where_bytes_leave() -> None:
    assert INLINE == INLINE_TYPES
