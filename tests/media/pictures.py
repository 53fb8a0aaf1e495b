"""Honest pictures, made in memory."""

import io
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pillow_heif
from PIL import Image

PILLOW: Mapping[str, str] = MappingProxyType(
    {
        "image/jpeg": "JPEG",
        "image/png": "PNG",
        "image/gif": "GIF",
        "image/webp": "WEBP",
        "image/avif": "AVIF",
        "image/tiff": "TIFF",
        "image/bmp": "BMP",
        "image/heic": "HEIF",
        "application/pdf": "PDF",
    }
)
"""Type -> Pillow's name of the format."""

RED, GREEN, BLUE, GREY = (220, 20, 20), (20, 200, 20), (20, 20, 220), (128, 128, 128)


def encoded(picture: Image.Image, media_type: str, **options: Any) -> bytes:
    """The picture in that format."""
    if media_type == "image/heic":
        pillow_heif.register_heif_opener()
    if media_type == "image/webp":
        options.setdefault("quality", 90)
    out = io.BytesIO()
    picture.save(out, PILLOW[media_type], **options)
    return out.getvalue()


def quarters(width: int = 96, height: int = 64) -> Image.Image:
    """Red and green above blue and grey."""
    picture = Image.new("RGB", (width, height), GREY)
    picture.paste(RED, (0, 0, width // 2, height // 2))
    picture.paste(GREEN, (width // 2, 0, width, height // 2))
    picture.paste(BLUE, (0, height // 2, width // 2, height))
    return picture


def corners(data: bytes) -> tuple[str, ...]:
    """The colours of the quarters of an encoded picture, row by row."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    width, height = picture.size
    names = {"red": RED, "green": GREEN, "blue": BLUE, "grey": GREY, "white": (255, 255, 255), "black": (0, 0, 0)}

    def name(x: int, y: int) -> str:
        pixel = picture.getpixel((x, y))
        assert isinstance(pixel, tuple)
        return min(names, key=lambda known: sum(abs(a - b) for a, b in zip(names[known], pixel, strict=True)))

    return tuple(name(x, y) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4))


def page(content: bytes, box: str = "0 0 200 100", extra: bytes = b"", count: int = 1) -> bytes:
    """A PDF whose pages all show the same content stream; `extra` holds further objects from number 5."""
    kids = " ".join("3 0 R" for _ in range(count))
    objects = [
        b"1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj",
        f"2 0 obj <</Type/Pages/Kids[{kids}]/Count {count}>> endobj".encode(),
        f"3 0 obj <</Type/Page/Parent 2 0 R/MediaBox[{box}]/Contents 4 0 R".encode()
        + b"/Resources<</XObject<</X 5 0 R>>>>>> endobj",
        b"4 0 obj <</Length %d>> stream\n%s\nendstream endobj" % (len(content), content),
        extra,
    ]
    return b"%PDF-1.4\n" + b"\n".join(objects) + b"\ntrailer <</Root 1 0 R>>\n%%EOF\n"
