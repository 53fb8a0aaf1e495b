"""Files made to hurt: each gets an answer, and the next honest file is served."""

import io
import random
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import pytest
from PIL import Image

from holdfast.core.model import Derived, NoRendition
from holdfast.media.renditions import SUPPORTED
from tests.media.conftest import Derive
from tests.media.pictures import PILLOW, encoded, page, quarters

PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, pixels: bytes, *extra: bytes, depth: int = 1, colour: int = 0) -> bytes:
    """A PNG with this header and these compressed pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return PNG + header + b"".join(extra) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def zeros(size: int) -> bytes:
    """That many zero bytes, deflated piece by piece."""
    deflate = zlib.compressobj(9)
    parts = [deflate.compress(bytes(min(1 << 20, size - at))) for at in range(0, size, 1 << 20)]
    return b"".join(parts) + deflate.flush()


def jpeg(*segments: tuple[int, bytes], rest: bytes = b"") -> bytes:
    """A JPEG of these segments."""
    body = b"".join(struct.pack(">BBH", 0xFF, kind, len(content) + 2) + content for kind, content in segments)
    return b"\xff\xd8" + body + rest


def lying(data: bytes, width: int, height: int) -> bytes:
    """A JPEG whose frame header names other measures."""
    at = next(at for at in range(len(data)) if data[at : at + 2] in (b"\xff\xc0", b"\xff\xc2"))
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def with_exif(tiff: bytes) -> bytes:
    """A good picture with this instead of metadata."""
    good = encoded(quarters(), "image/jpeg")
    return good[:2] + jpeg((0xE1, b"Exif\0\0" + tiff))[2:] + good[2:]


def gif(width: int, height: int, frames: bytes) -> bytes:
    """A GIF of two colours."""
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + frames


def frame(left: int, top: int, width: int, height: int, data: bytes = b"\x02\x02\x44\x01\0") -> bytes:
    """One picture of a GIF."""
    return b"," + struct.pack("<HHHHB", left, top, width, height, 0) + data


def tiff(*directories: Sequence[tuple[int, int, int, int]], loop: bool = False, rest: bytes = b"") -> bytes:
    """A TIFF of directories of (tag, kind, count, value); the last may point back to the first."""
    out, at = b"II*\0\x08\0\0\0", 8
    for number, entries in enumerate(directories):
        size = 2 + 12 * len(entries) + 4
        after = at + size if number + 1 < len(directories) else (8 if loop else 0)
        out += struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
        out += struct.pack("<I", after)
        at += size
    return out + rest


def directory(
    width: int, height: int, compression: int = 1, at: int = 400, count: int = 100
) -> list[tuple[int, int, int, int]]:
    """A grey picture in one strip."""
    return [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, compression),
        (262, 3, 1, 1),
        (273, 4, 1, at),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, count),
    ]


def bmp(width: int, height: int, compression: int = 0, bits: int = 24, rest: bytes = b"") -> bytes:
    """A Windows bitmap."""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(rest), 0, 0, 54) + header + rest


def webp(width: int, height: int, rest: bytes = b"") -> bytes:
    """A WebP container with this canvas."""
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X\x0a\0\0\0\x02\0\0\0" + canvas + rest
    return b"RIFF" + struct.pack("<I", len(body)) + body


def stretched(data: bytes, width: int, height: int) -> bytes:
    """An AVIF or HEIC whose measures are other ones."""
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def form(number: int, content: bytes, inner: int | None) -> bytes:
    """A PDF object that is drawn, and draws another."""
    resources = f"/Resources<</XObject<</X {inner} 0 R>>>>" if inner else ""
    head = f"{number} 0 obj <</Type/XObject/Subtype/Form/BBox[0 0 200 100]{resources}/Length {len(content)}>> stream\n"
    return head.encode() + content + b"\nendstream endobj\n"


def laughs(depth: int, width: int) -> bytes:
    """A page that draws `width` to the power of `depth` pictures."""
    draw = b"/X Do " * width
    inner = [form(5 + level, draw, 6 + level if level + 1 < depth else None) for level in range(depth)]
    return page(draw, extra=b"".join(inner))


def inflating(size: int) -> bytes:
    """A page whose content grows to that many bytes of drawing commands when it is inflated."""
    deflate = zlib.compressobj(9)
    line = b"0 0 m 200 100 l S\n" * 1000
    packed = b"".join(deflate.compress(line) for _ in range(size // len(line))) + deflate.flush()
    extra = b"6 0 obj <</Filter/FlateDecode/Length %d>> stream\n%s\nendstream endobj" % (len(packed), packed)
    return page(b"", extra=extra).replace(b"/Contents 4 0 R", b"/Contents 6 0 R")


def nested(depth: int) -> bytes:
    """A PDF in a PDF in a PDF."""
    inner = page(b"")
    for _ in range(depth):
        extra = b"6 0 obj <</Type/EmbeddedFile/Length %d>> stream\n%s\nendstream endobj" % (len(inner), inner)
        inner = page(b"0 0 100 50 re f", extra=extra)
    return inner


def jpeg_scans(count: int) -> bytes:
    """A progressive JPEG that repeats its last scan."""
    data = encoded(quarters(1600, 1600), "image/jpeg", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * count + data[-2:]


ACTIONS = b"/OpenAction<</S/JavaScript/JS(while(1){})>>/AA<</O<</S/Launch/F(/bin/sh)>>>>"

GOOD: Mapping[str, bytes] = MappingProxyType({kind: encoded(quarters(), kind) for kind in PILLOW})
JPEG = GOOD["image/jpeg"]

REFUSED = {"refused"}
STOPPED = {"refused", "limit", "crashed"}
ODD = {"derived", "refused", "limit", "crashed"}

HOSTILE: Mapping[str, tuple[str, Callable[[], bytes], set[str]]] = MappingProxyType(
    {
        "PNG of 2.5 gigapixels, real": ("image/png", lambda: png(50_000, 50_000, zeros(6251 * 50_000)), REFUSED),
        "PNG of 144 megapixels, real": ("image/png", lambda: png(12_000, 12_000, zeros(1501 * 12_000)), REFUSED),
        "PNG with a header of 4 exapixels": ("image/png", lambda: png(2**31 - 1, 2**31 - 1, zeros(9)), REFUSED),
        "PNG of no width": ("image/png", lambda: png(0, 10, zeros(9)), REFUSED),
        "PNG as large as allowed in 16-bit RGBA": (
            "image/png",
            lambda: png(8192, 8192, zeros(65537 * 8192), depth=16, colour=6),
            STOPPED,
        ),
        "PNG that promises more than it has": ("image/png", lambda: png(4000, 4000, zeros(9)), REFUSED),
        "PNG that has more than it promises": ("image/png", lambda: png(8, 8, zeros(1 << 28)), ODD),
        "PNG text that inflates to 300 MB": (
            "image/png",
            lambda: png(8, 8, zeros(16), chunk(b"zTXt", b"Comment\0\0" + zeros(300 << 20))),
            ODD,
        ),
        "PNG with 500 texts of 1 MB": (
            "image/png",
            lambda: png(8, 8, zeros(16), *([chunk(b"zTXt", b"Comment\0\0" + zeros(1 << 20))] * 500)),
            ODD,
        ),
        "PNG international text that inflates": (
            "image/png",
            lambda: png(8, 8, zeros(16), chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zeros(300 << 20))),
            ODD,
        ),
        "PNG profile that inflates": (
            "image/png",
            lambda: png(8, 8, zeros(16), chunk(b"iCCP", b"p\0\0" + zeros(300 << 20))),
            ODD,
        ),
        "PNG with 100,000 empty chunks": (
            "image/png",
            lambda: png(8, 8, zeros(16), chunk(b"teSt", b"") * 100_000),
            ODD,
        ),
        "PNG chunk of 2 GB": ("image/png", lambda: PNG + b"\x7f\xff\xff\xffIHDR" + bytes(99), REFUSED),
        "PNG with a wrong sum": (
            "image/png",
            lambda: GOOD["image/png"][:20] + b"\xff" + GOOD["image/png"][21:],
            REFUSED,
        ),
        "PNG animation with lying frames": (
            "image/png",
            lambda: png(
                8,
                8,
                zeros(16),
                chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)),
                chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 2**31 - 1, 2**31 - 1, 0, 0, 1, 1, 0, 0)),
            ),
            ODD,
        ),
        "PNG signature alone": ("image/png", lambda: PNG, REFUSED),
        "JPEG of 4 gigapixels by its header": ("image/jpeg", lambda: lying(JPEG, 65_500, 65_500), REFUSED),
        "JPEG of 260 megapixels by its header": ("image/jpeg", lambda: lying(JPEG, 16_300, 16_300), ODD),
        "JPEG of no height": ("image/jpeg", lambda: lying(JPEG, 10, 0), REFUSED),
        "JPEG cut in half": ("image/jpeg", lambda: encoded(quarters(900, 900), "image/jpeg")[:4000], REFUSED),
        "JPEG start alone": ("image/jpeg", lambda: b"\xff\xd8\xff", REFUSED),
        "JPEG of 20,000 segments": ("image/jpeg", lambda: jpeg(*[(0xE5, b"x" * 50)] * 20_000), REFUSED),
        "JPEG of a million filler bytes": ("image/jpeg", lambda: b"\xff\xd8" + b"\xff" * 1_000_000, REFUSED),
        "JPEG with 5,000 scans": ("image/jpeg", lambda: jpeg_scans(5000), ODD),
        "JPEG whose metadata turns in a circle": (
            "image/jpeg",
            lambda: with_exif(tiff([(0x8769, 4, 1, 8), (0xA005, 4, 1, 8), (0x8825, 4, 1, 8)], loop=True)),
            ODD,
        ),
        "JPEG whose metadata counts to 4 billion": (
            "image/jpeg",
            lambda: with_exif(tiff([(tag, 5, 2**32 - 1, 8) for tag in range(0x100, 0x180)])),
            ODD,
        ),
        "JPEG whose metadata is noise": ("image/jpeg", lambda: with_exif(random.Random(1).randbytes(60_000)), ODD),
        "JPEG with a broken second picture": (
            "image/jpeg",
            lambda: JPEG[:2] + jpeg((0xE2, b"MPF\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 99))[2:] + JPEG[2:],
            ODD,
        ),
        "GIF of 200,000 frames": ("image/gif", lambda: gif(2, 2, frame(0, 0, 2, 2) * 200_000 + b";"), {"derived"}),
        "GIF without an end": ("image/gif", lambda: gif(2, 2, frame(0, 0, 2, 2) * 9), ODD),
        "GIF of 4 gigapixels": ("image/gif", lambda: gif(65_535, 65_535, frame(0, 0, 2, 2) + b";"), REFUSED),
        "GIF frame outside its canvas": ("image/gif", lambda: gif(2, 2, frame(65_000, 65_000, 9, 9) + b";"), STOPPED),
        "GIF frame larger than its canvas": (
            "image/gif",
            lambda: gif(2, 2, frame(0, 0, 65_535, 65_535) + b";"),
            STOPPED,
        ),
        "GIF of nothing but comments": ("image/gif", lambda: gif(2, 2, b"!\xfe\x01x\0" * 500_000), REFUSED),
        "GIF of noise": ("image/gif", lambda: gif(99, 99, frame(0, 0, 99, 99, random.Random(2).randbytes(5000))), ODD),
        "WebP of 268 megapixels": ("image/webp", lambda: webp(16_384, 16_384), REFUSED),
        "WebP canvas over the limit of the format": ("image/webp", lambda: webp(1 << 24, 1 << 24), REFUSED),
        "WebP cut in half": ("image/webp", lambda: encoded(quarters(900, 900), "image/webp")[:300], REFUSED),
        "WebP of lying length": ("image/webp", lambda: b"RIFF\xff\xff\xff\xff" + GOOD["image/webp"][8:], ODD),
        "WebP of noise": ("image/webp", lambda: webp(9, 9, b"ANMF\xff\xff\xff\x7f" + bytes(99)), REFUSED),
        "TIFF that points back to itself": (
            "image/tiff",
            lambda: tiff(directory(9, 9), loop=True, rest=bytes(500)),
            ODD,
        ),
        "TIFF of 20,000 pages": ("image/tiff", lambda: tiff(*[directory(9, 9)] * 20_000, rest=bytes(99)), ODD),
        "TIFF of 2**64 pixels": ("image/tiff", lambda: tiff(directory(2**32 - 1, 2**32 - 1)), REFUSED),
        "TIFF whose strip lies beyond the end": ("image/tiff", lambda: tiff(directory(9, 9, at=2**31)), REFUSED),
        "TIFF whose strip has 4 GB": (
            "image/tiff",
            lambda: tiff(directory(9, 9, count=2**32 - 1), rest=bytes(999)),
            ODD,
        ),
        "TIFF that inflates": (
            "image/tiff",
            lambda: tiff(directory(8000, 8000, 8, 134, len(zeros(1 << 28))), rest=bytes(12) + zeros(1 << 28)),
            ODD,
        ),
        "TIFF of 65,535 tags": ("image/tiff", lambda: b"II*\0\x08\0\0\0\xff\xff" + bytes(12 * 65_535), REFUSED),
        "TIFF tags that count to 4 billion": (
            "image/tiff",
            lambda: tiff([*directory(9, 9), *[(tag, 12, 2**32 - 1, 8) for tag in range(700, 800)]], rest=bytes(500)),
            ODD,
        ),
        "BMP of 4 exapixels": ("image/bmp", lambda: bmp(2**31 - 1, -(2**31)), REFUSED),
        "BMP of negative width": ("image/bmp", lambda: bmp(-10, 10, rest=bytes(400)), REFUSED),
        "BMP of runs without end": (
            "image/bmp",
            lambda: bmp(8000, 8000, 1, 8, bytes(1024) + b"\0\x02\0\0" * 99_999),
            ODD,
        ),
        "BMP without pixels": ("image/bmp", lambda: bmp(8000, 8000), REFUSED),
        "AVIF of 4 gigapixels": ("image/avif", lambda: stretched(GOOD["image/avif"], 65_535, 65_535), REFUSED),
        "AVIF of lying measures": ("image/avif", lambda: stretched(GOOD["image/avif"], 8000, 8000), ODD),
        "AVIF cut in half": ("image/avif", lambda: GOOD["image/avif"][: len(GOOD["image/avif"]) // 2], REFUSED),
        "AVIF brand alone": ("image/avif", lambda: GOOD["image/avif"][:32], REFUSED),
        "HEIC of 4 gigapixels": ("image/heic", lambda: stretched(GOOD["image/heic"], 65_535, 65_535), STOPPED),
        "HEIC of lying measures": ("image/heic", lambda: stretched(GOOD["image/heic"], 8000, 8000), ODD),
        "HEIC cut in half": ("image/heic", lambda: GOOD["image/heic"][: len(GOOD["image/heic"]) // 2], REFUSED),
        "HEIC brand alone": ("image/heic", lambda: GOOD["image/heic"][:32], REFUSED),
        "PDF in a PDF, 50 deep": ("application/pdf", lambda: nested(50), {"derived"}),
        "PDF that draws itself": ("application/pdf", lambda: page(b"/X Do", extra=form(5, b"/X Do " * 9, 5)), ODD),
        "PDF of a billion laughs": ("application/pdf", lambda: laughs(20, 10), ODD),
        "PDF that inflates to 400 MB": ("application/pdf", lambda: inflating(400 << 20), ODD),
        "PDF page a kilometre wide": ("application/pdf", lambda: page(b"", "0 0 2834645 1"), ODD),
        "PDF page of no size": ("application/pdf", lambda: page(b"", "0 0 0 0"), ODD),
        "PDF page of absurd numbers": ("application/pdf", lambda: page(b"", "-1e38 -1e38 1e38 1e38"), ODD),
        "PDF whose pages turn in a circle": (
            "application/pdf",
            lambda: page(b"").replace(b"/Kids[3 0 R]", b"/Kids[2 0 R 2 0 R]"),
            REFUSED,
        ),
        "PDF of 2 billion pages": (
            "application/pdf",
            lambda: page(b"").replace(b"/Count 1", b"/Count 2147483647"),
            ODD,
        ),
        "PDF that runs a script and a program": (
            "application/pdf",
            lambda: page(b"").replace(b"/Catalog", b"/Catalog" + ACTIONS),
            {"derived"},
        ),
        "PDF that names a file": (
            "application/pdf",
            lambda: page(
                b"/X Do",
                extra=b"5 0 obj <</Type/XObject/Subtype/Image/F(/etc/passwd)/Width 9/Height 9/Length 0>>"
                b" stream\n\nendstream endobj",
            ),
            ODD,
        ),
        "PDF of noise": ("application/pdf", lambda: b"%PDF-1.7\n" + random.Random(3).randbytes(50_000), REFUSED),
        "PDF header alone": ("application/pdf", lambda: b"%PDF-1.7\n", REFUSED),
    }
)

FOREIGN: Mapping[str, bytes] = MappingProxyType(
    {
        "SVG that includes a file": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        "MVG that reads a file": b"push graphic-context\nimage over 0,0 0,0 'text:/etc/passwd'\npop graphic-context\n",
        "MSL script": b"<image><read filename='/etc/passwd'/><write filename='/tmp/caged'/></image>",
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\nshowpage\n",
        "FITS": b"SIMPLE  =                    T" + b" " * 50 + b"END".ljust(2770),
        "PPM of 4 gigapixels": b"P6 65535 65535 255\n" + bytes(99),
        "ICO": b"\0\0\1\0\1\0" + bytes(16) + PNG,
        "PSD": b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\xff\xff\0\0\xff\xff\0\x08\0\3" + bytes(99),
        "FLI": bytes(4) + b"\x11\xaf" + bytes(200),
        "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99),
        "ZIP": b"PK\x03\x04" + bytes(99),
        "HTML": b"<html><script>alert(1)</script>",
        "nothing": b"",
        "zeros": bytes(100_000),
        "noise": random.Random(4).randbytes(100_000),
    }
)


def named(answer: Derived | NoRendition) -> str:
    """`derived`, or why not."""
    return "derived" if isinstance(answer, Derived) else answer.reason


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_gets_an_answer(derive: Derive, name: str) -> None:
    media_type, made, expected = HOSTILE[name]
    assert named(derive(made(), media_type, (128, 1024))) in expected
    assert isinstance(derive(JPEG, "image/jpeg", (128,)), Derived)


def test_there_are_enough_of_them() -> None:
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize("media_type", sorted(SUPPORTED))
def test_only_the_decoder_of_the_type_is_tried(derive: Derive, media_type: str) -> None:
    # All of them for some; for the rest only what could fit any decoder.
    some = FOREIGN if media_type in ("image/png", "image/tiff", "application/pdf") else ("nothing", "zeros", "noise")
    for data in map(FOREIGN.__getitem__, some):
        assert derive(data, media_type, (128,)) == NoRendition("refused")


def test_a_picture_under_another_type_is_none(derive: Derive) -> None:
    kinds = list(PILLOW)
    for shift in (1, 2):
        for kind, other in zip(kinds, kinds[shift:] + kinds[:shift], strict=True):
            assert derive(GOOD[other], kind, (128,)) == NoRendition("refused")


@pytest.mark.parametrize("media_type", PILLOW)
def test_damaged_pictures(derive: Derive, media_type: str) -> None:
    source = random.Random(media_type)
    for _ in range(4):
        data = bytearray(GOOD[media_type])
        for _ in range(source.choice([1, 3, 30])):
            data[source.randrange(len(data))] = source.randrange(256)
        answer = derive(bytes(data), media_type, (128,))
        assert named(answer) in ODD
        if isinstance(answer, Derived):
            assert max(Image.open(io.BytesIO(answer.thumbnails[0])).size) <= 128
