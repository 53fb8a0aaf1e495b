"""Small pictures and plain facts of a file. Runs inside the cage only; the server never imports it.

One decoder is registered, the one for the type that the server told from the bytes; it must find its own signature
again. Sizes are read from the header and checked before any pixel is decoded.
"""

import importlib
import io
import struct
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple

from PIL import Image, ImageOps

MAX_PIXELS = 64 * 1024 * 1024
"""What is decoded in full: 8192 by 8192. At three to four bytes each it is half of the child's memory."""

MAX_JPEG_PIXELS = 4 * MAX_PIXELS
"""A JPEG is shrunk up to eight times while it is decoded, so photos of 200 million pixels fit; the memory limit stops
those that do not (progressive ones hold all their coefficients)."""

MAX_PAGES = 1000
"""Pages of a TIFF are counted one by one, each at a higher price than the last; more than this count as this many."""

MAX_PDF_POINTS = 200_000
"""Longest side of a page. The format allows 14,400 points times a user unit; a drawing a kilometre long is a trick."""

QUALITY = 80
"""Quality of the JPEG: about 20 KiB at 256 pixels, no visible blocks."""

_MATTE = (255, 255, 255)

_PLUGINS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "image/jpeg": ("JPEG", "PIL.JpegImagePlugin"),
        "image/png": ("PNG", "PIL.PngImagePlugin"),
        "image/gif": ("GIF", "PIL.GifImagePlugin"),
        "image/webp": ("WEBP", "PIL.WebPImagePlugin"),
        "image/avif": ("AVIF", "PIL.AvifImagePlugin"),
        "image/tiff": ("TIFF", "PIL.TiffImagePlugin"),
        "image/bmp": ("BMP", "PIL.BmpImagePlugin"),
        "image/heic": ("HEIF", "pillow_heif"),
        "image/heif": ("HEIF", "pillow_heif"),
    }
)
"""Type -> Pillow's name of the format and the module that brings its decoder."""

_ON_THE_WAY = ("copy", "mmap", "PIL.ImageColor", "PIL.ImagePalette", "PIL.MpoImagePlugin")
"""What decoders would load in the middle of a file, when the cage can open nothing any more."""

_ORIENTATION, _EXIF, _TAKEN, _DIGITIZED, _OFFSET = 0x0112, 0x8769, 0x9003, 0x9004, 0x9011

_TURNS: Mapping[int, Image.Transpose] = MappingProxyType(
    {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
)


Work = Callable[[BinaryIO, Sequence[int]], bytes]
"""(the file, edges in pixels) -> the answer."""


class Job(NamedTuple):
    """Work and whether it needs threads; processes it never gets."""

    work: Work
    threads: bool = False


class Refused(Exception):
    """The file asks for more than it may have, or is not of its type."""


def warm() -> None:
    """Load the common decoders and run them once, so that nothing is left to load when the file arrives."""
    for _, module in set(_PLUGINS.values()):
        if module.startswith("PIL."):
            importlib.import_module(module)
    for module in _ON_THE_WAY:
        importlib.import_module(module)
    Image.MAX_IMAGE_PIXELS = MAX_JPEG_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    for name in ("JPEG", "PNG", "GIF", "TIFF", "BMP"):
        sample = io.BytesIO()
        Image.new("RGB", (64, 32)).save(sample, name, exif=exif)
        raster(name)(sample, (16,))


def bring(media_type: str) -> None:
    """Load the decoder of a type, if it is not among the common ones. Raises `KeyError` for a type that has none."""
    importlib.import_module("pypdfium2" if media_type == "application/pdf" else _PLUGINS[media_type][1])


def load(media_type: str) -> Job:
    """The job for a type, its decoder loaded and all others struck off. Raises `KeyError` for a type that has none."""
    if media_type == "application/pdf":
        return Job(_pdf())
    name, module = _PLUGINS[media_type]
    if name == "HEIF":
        heif: Any = importlib.import_module(module)
        heif.register_heif_opener(decode_threads=0, thumbnails=False, depth_images=False, aux_images=False)
    if name == "AVIF":
        avif: Any = importlib.import_module(module)
        avif.DEFAULT_MAX_THREADS = 1  # the cage has no way to start a second one
    for other in [known for known in Image.OPEN if known != name]:
        del Image.OPEN[other]
    Image.ID[:] = [name]
    Image._initialized = 2  # noqa: SLF001 -- keeps Pillow from looking for further formats by itself
    # The HEVC decoder cannot do without a thread of its own.
    return Job(raster(name), threads=name == "HEIF")


def raster(name: str) -> Work:
    """The work for a picture format by Pillow's name of it."""

    def work(file: BinaryIO, edges: Sequence[int]) -> bytes:
        picture = Image.open(file, formats=(name,))
        _check(picture.size, MAX_JPEG_PIXELS if name == "JPEG" else MAX_PIXELS)
        exif = _exif(picture)
        # Pillow turns a TIFF upright by itself, and says so by the size.
        turn = None if name == "TIFF" else _TURNS.get(exif.get(_ORIENTATION, 1))
        width, height = picture.size
        if turn in (_TURNS[5], _TURNS[6], _TURNS[7], _TURNS[8]):
            width, height = height, width
        captured = _captured(exif)  # before pages are turned, because what it reads hangs on the first one
        pages = _tiff_pages(picture) if name == "TIFF" else None
        answer = [_facts(width, height, pages, captured)]
        if edges:
            answer += _pictures(_shrunk(picture, max(edges), turn), edges)
        return b"".join(answer)

    return work


def _check(size: tuple[int, int], most: int) -> None:
    width, height = size
    if width < 1 or height < 1 or width * height > most:
        raise Refused("pixels")


def _exif(picture: Image.Image) -> Image.Exif:
    try:
        return picture.getexif()
    except Exception:  # noqa: BLE001
        # Broken metadata says nothing of the pixels.
        return Image.Exif()


def _captured(exif: Image.Exif) -> str:
    """When the picture was taken, as the camera's clock said: `2024-05-01T12:30:00`, with `+02:00` if that is known."""
    try:
        taken = exif.get_ifd(_EXIF)
        stamp = str(taken.get(_TAKEN) or taken.get(_DIGITIZED) or "").strip("\0 ")
        offset = str(taken.get(_OFFSET) or "").strip("\0 ")
    except Exception:  # noqa: BLE001
        return "-"
    if len(stamp) != 19 or not stamp.isascii() or not stamp.replace(":", "").replace(" ", "", 1).isdigit():
        return "-"
    day, _, time = stamp.partition(" ")
    known = len(offset) == 6 and offset[0] in "+-" and offset[1:].replace(":", "").isdigit()
    return f"{day.replace(':', '-')}T{time}{offset if known else ''}"


def _tiff_pages(picture: Image.Image) -> int | None:
    count = 0
    try:
        while count < MAX_PAGES:
            picture.seek(count)
            count += 1
    except EOFError:
        pass
    picture.seek(0)
    return count


def _shrunk(picture: Image.Image, edge: int, turn: Image.Transpose | None) -> Image.Image:
    """The picture within `edge` pixels each way, upright, in RGB on white."""
    picture.draft("RGB", (2 * edge, 2 * edge))
    _check(picture.size, MAX_PIXELS)
    picture.load()
    _check(picture.size, MAX_PIXELS)
    picture = _full_tones(picture)
    picture.thumbnail((edge, edge), reducing_gap=2.0)
    if picture.mode == "RGBA":
        matte = Image.new("RGB", picture.size, _MATTE)
        matte.paste(picture, mask=picture.getchannel("A"))
        picture = matte
    return picture if turn is None else picture.transpose(turn)


def _full_tones(picture: Image.Image) -> Image.Image:
    """The picture in RGB or RGBA: modes that cannot be averaged, such as palettes, are spread out first."""
    mode = picture.mode
    if mode in ("RGB", "RGBA"):
        if mode == "RGB" and "transparency" in picture.info:
            return picture.convert("RGBA")
        return picture
    if mode in ("LA", "La", "PA", "RGBa") or "transparency" in picture.info:
        return picture.convert("RGBA")
    if mode.startswith("I;16"):
        return picture.convert("I").point(lambda tone: tone / 256).convert("L").convert("RGB")
    if mode == "I":
        return picture.point(lambda tone: tone / 256).convert("L").convert("RGB")
    return picture.convert("RGB")


def _pictures(largest: Image.Image, edges: Sequence[int]) -> list[bytes]:
    """For each edge the length and the JPEG. The pixels move into a new picture, which takes no metadata along."""
    parts = []
    for edge in edges:
        small = ImageOps.contain(largest, (edge, edge)) if max(largest.size) > edge else largest
        bare = Image.new("RGB", small.size, _MATTE)
        bare.paste(small)
        out = io.BytesIO()
        bare.save(out, "JPEG", quality=QUALITY)
        parts += [struct.pack(">I", out.tell()), out.getvalue()]
    return parts


def _facts(width: int | None, height: int | None, pages: int | None, captured: str) -> bytes:
    words = ["-" if value is None else str(value) for value in (width, height, pages)]
    return f"{' '.join(words)} {captured}\n".encode("ascii", "replace")


def _pdf() -> Work:
    pdfium: Any = importlib.import_module("pypdfium2")

    def work(file: BinaryIO, edges: Sequence[int]) -> bytes:
        document = pdfium.PdfDocument(file.read())
        answer = [_facts(None, None, len(document), "-")]
        if edges:
            page = document[0]
            longest = max(page.get_size())
            if not 0 < longest <= MAX_PDF_POINTS:
                raise Refused("page size")
            bitmap = page.render(scale=max(edges) / longest, may_draw_forms=False, rev_byteorder=True)
            drawn = bitmap.to_pil().convert("RGB")
            drawn.thumbnail((max(edges), max(edges)))  # rounding up may have added one pixel
            answer += _pictures(drawn, edges)
        return b"".join(answer)

    return work
