"""Every format becomes a small, upright, bare JPEG, and says its facts."""

import io
import subprocess
import sys
from collections.abc import Sequence

import pytest
from PIL import Image, ImageChops, ImageStat, PngImagePlugin

from holdfast.core.model import Derived, Facts, NoRendition
from holdfast.media.renditions import EDGES, NATIVE_EDGES, SUPPORTED, is_bare_jpeg
from holdfast.media.sniff import RASTER, sniff
from tests.media.conftest import Derive
from tests.media.pictures import PILLOW, corners, encoded, page, quarters

UPRIGHT = ("red", "green", "blue", "grey")
INVERSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How the picture lies in the file, for each orientation that a camera may note."""


def made(derive: Derive, data: bytes, media_type: str, edges: Sequence[int] = ()) -> Derived:
    """What came out, which must be something."""
    derived = derive(data, media_type, edges)
    assert isinstance(derived, Derived), derived
    assert len(derived.thumbnails) == len(edges)
    return derived


def test_the_supported_types_are_the_sniffed_ones() -> None:
    assert RASTER | {"application/pdf"} == SUPPORTED


@pytest.mark.parametrize("media_type", PILLOW)
def test_each_format_in_each_size(derive: Derive, media_type: str) -> None:
    data = encoded(quarters(1500, 1000), media_type)
    assert sniff(data[:4096], "x", None) == media_type
    edges = (*NATIVE_EDGES, 200)
    derived = made(derive, data, media_type, edges)
    for edge, thumbnail in zip(edges, derived.thumbnails, strict=True):
        picture = Image.open(io.BytesIO(thumbnail))
        assert picture.format == "JPEG"
        assert picture.mode == "RGB"
        assert max(picture.size) == edge
        assert abs(min(picture.size) - edge * 2 / 3) < 1
        assert corners(thumbnail) == UPRIGHT
    width, height = (None, None) if media_type == "application/pdf" else (1500, 1000)
    pages = 1 if media_type in ("application/pdf", "image/tiff") else None
    assert derived.facts == Facts(width, height, pages)


def test_facts_alone_cost_no_picture(derive: Derive) -> None:
    cut = encoded(quarters(3000, 2000), "image/jpeg")[:2000]
    assert made(derive, cut, "image/jpeg").facts == Facts(3000, 2000)
    assert derive(cut, "image/jpeg", (128,)) == NoRendition("refused")


@pytest.mark.parametrize("size", [(1600, 1200), (1200, 1600), (2080, 400)])
def test_a_photo_that_is_shrunk_while_it_is_decoded_looks_as_if_it_were_not(
    derive: Derive, size: tuple[int, int]
) -> None:
    whole = Image.effect_mandelbrot(size, (-2, -1.2, 1, 1.2), 100).convert("RGB")
    data = encoded(whole, "image/jpeg", quality=95)
    thumbnail = Image.open(io.BytesIO(made(derive, data, "image/jpeg", (128,)).thumbnails[0]))
    whole.thumbnail((128, 128), reducing_gap=None)
    assert thumbnail.size == whole.size
    errors = ImageStat.Stat(ImageChops.difference(thumbnail.convert("RGB"), whole)).rms
    assert max(errors) < 6, errors


def test_a_small_picture_is_not_blown_up(derive: Derive) -> None:
    thumbnail = made(derive, encoded(quarters(20, 10), "image/png"), "image/png", (1024,)).thumbnails[0]
    assert Image.open(io.BytesIO(thumbnail)).size == (20, 10)


def test_a_long_thin_picture_keeps_one_pixel(derive: Derive) -> None:
    thumbnail = made(derive, encoded(Image.new("RGB", (20_000, 2)), "image/png"), "image/png", (128,)).thumbnails[0]
    assert Image.open(io.BytesIO(thumbnail)).size == (128, 1)


@pytest.mark.parametrize(
    "media_type", ["image/jpeg", "image/png", "image/webp", "image/tiff", "image/avif", "image/heic"]
)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(derive: Derive, media_type: str, orientation: int) -> None:
    picture = quarters(600, 400)
    if orientation in INVERSE:
        picture = picture.transpose(INVERSE[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    # From bytes the HEIC encoder takes the orientation into its own boxes, which are what counts in that format.
    derived = made(derive, encoded(picture, media_type, exif=exif.tobytes()), media_type, (128,))
    assert corners(derived.thumbnails[0]) == UPRIGHT
    assert (derived.facts.width, derived.facts.height) == (600, 400)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_turns_nothing(derive: Derive, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    derived = made(derive, encoded(quarters(), "image/jpeg", exif=exif), "image/jpeg", (128,))
    assert corners(derived.thumbnails[0]) == UPRIGHT


def located() -> Image.Exif:
    """Metadata of a camera that knows where it was."""
    exif = Image.Exif()
    exif[0x010F] = "SecretMaker"
    exif[0x9286] = "SecretComment"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:01 12:30:00"
    exif.get_ifd(0x8769)[0x9011] = "+02:00"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (50.0, 5.0, 14.0)
    exif.get_ifd(0x8825)[29] = "SecretPlace"
    return exif


@pytest.mark.parametrize(
    "media_type", ["image/jpeg", "image/png", "image/webp", "image/tiff", "image/avif", "image/heic"]
)
def test_no_metadata_leaves_with_a_thumbnail(derive: Derive, media_type: str) -> None:
    options: dict[str, object] = {"exif": located().tobytes(), "icc_profile": b"SecretProfile" * 20}
    if media_type == "image/jpeg":
        options |= {"comment": b"SecretComment", "xmp": b"<x:xmpmeta>SecretPlace</x:xmpmeta>"}
    if media_type == "image/png":
        text = PngImagePlugin.PngInfo()
        text.add_text("Location", "SecretPlace")
        options["pnginfo"] = text
    data = encoded(quarters(400, 300), media_type, **options)
    assert b"Secret" in data
    derived = made(derive, data, media_type, (256,))
    thumbnail = derived.thumbnails[0]
    assert b"Secret" not in thumbnail
    assert b"Exif" not in thumbnail
    assert b"http" not in thumbnail
    picture = Image.open(io.BytesIO(thumbnail))
    assert not picture.getexif()
    assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert derived.facts == Facts(400, 300, 1 if media_type == "image/tiff" else None, "2024-05-01T12:30:00+02:00")
    assert {"latitude", "place", "gps", "location"}.isdisjoint(Facts.__struct_fields__)


@pytest.mark.parametrize(
    ("stamp", "captured"),
    [
        ("2024:05:01 12:30:00", "2024-05-01T12:30:00"),
        ("0000:00:00 00:00:00", None),
        ("    :  :     :  :  ", None),
        ("2024:13:41 12:30:00", None),
        ("2024:05:01", None),
        ("2024:05:01 12:30:00 extra", None),
        ("x" * 5000, None),
        ("2024:05:01\n12:30:00", None),
    ],
)
def test_capture_time(derive: Derive, stamp: str, captured: str | None) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = stamp
    facts = made(derive, encoded(quarters(), "image/jpeg", exif=exif), "image/jpeg").facts
    assert facts == Facts(96, 64, None, captured)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16", "CMYK", "F", "I"])
def test_each_kind_of_pixel(derive: Derive, mode: str) -> None:
    black = Image.new("L", (400, 300), 0)
    black.paste(255, (200, 0, 400, 300))
    if mode == "I;16":
        picture = Image.new("I;16", (400, 300), 0)
        picture.paste(65535, (200, 0, 400, 300))
    elif mode == "I":
        picture = black.convert("I").point(lambda tone: tone * 257)
    elif mode == "PA":
        picture = black.convert("P").convert("PA")
    else:
        picture = black.convert(mode)
    media_type = "image/tiff" if mode in ("CMYK", "F", "PA", "I") else "image/png"
    thumbnail = made(derive, encoded(picture, media_type), media_type, (128,)).thumbnails[0]
    assert corners(thumbnail) == ("black", "white", "black", "white")


@pytest.mark.parametrize(
    "media_type", ["image/png", "image/webp", "image/gif", "image/avif", "image/heic", "image/tiff"]
)
def test_alpha_lies_on_white(derive: Derive, media_type: str) -> None:
    picture = Image.new("RGBA", (400, 300), (0, 0, 0, 0))
    picture.paste((220, 20, 20, 255), (0, 0, 200, 150))
    thumbnail = made(derive, encoded(picture, media_type), media_type, (128,)).thumbnails[0]
    assert corners(thumbnail) == ("red", "white", "white", "white")


def test_a_palette_with_one_clear_colour(derive: Derive) -> None:
    picture = quarters(400, 300).convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    clear = picture.getpixel((300, 200))
    thumbnail = made(derive, encoded(picture, "image/png", transparency=clear), "image/png", (128,)).thumbnails[0]
    assert corners(thumbnail) == ("red", "green", "blue", "white")


def test_the_first_frame_stands_for_a_moving_picture(derive: Derive) -> None:
    frames = [Image.new("RGB", (300, 200), colour) for colour in ("black", "white", "red")]
    for media_type in ("image/gif", "image/webp", "image/png", "image/avif"):
        data = encoded(quarters(300, 200), media_type, save_all=True, append_images=frames, duration=100)
        derived = made(derive, data, media_type, (128,))
        assert corners(derived.thumbnails[0]) == UPRIGHT
        assert derived.facts == Facts(300, 200)


def test_pages_are_counted(derive: Derive) -> None:
    more = [Image.new("RGB", (300, 200)) for _ in range(4)]
    for media_type in ("image/tiff", "application/pdf"):
        data = encoded(quarters(300, 200), media_type, save_all=True, append_images=more)
        derived = made(derive, data, media_type, (128,))
        assert derived.facts.pages == 5
        assert corners(derived.thumbnails[0]) == UPRIGHT


def test_a_drawn_page(derive: Derive) -> None:
    data = page(b"1 0 0 rg 0 50 100 50 re f 0 0 1 rg 0 0 100 50 re f")
    assert corners(made(derive, data, "application/pdf", (512,)).thumbnails[0]) == ("red", "white", "blue", "white")


def test_a_photo_with_a_second_one_inside(derive: Derive) -> None:
    out = io.BytesIO()
    quarters(400, 300).save(out, "MPO", save_all=True, append_images=[Image.new("RGB", (400, 300))])
    assert corners(made(derive, out.getvalue(), "image/jpeg", (128,)).thumbnails[0]) == UPRIGHT


@pytest.mark.parametrize("edge", [0, -1, 1, 127, 129, 1023, 2048, 10**9])
def test_sizes_are_a_closed_set(derive: Derive, edge: int) -> None:
    assert edge not in EDGES
    with pytest.raises(ValueError, match="edges"):
        derive(encoded(quarters(), "image/png"), "image/png", (edge,))


@pytest.mark.parametrize("media_type", ["image/svg+xml", "text/html", "image/x-icon", "application/zip", "", "x\ny"])
def test_other_types_start_nothing(derive: Derive, media_type: str) -> None:
    assert derive(b"<svg/>", media_type, (128,)) == NoRendition("unsupported")


def test_only_bare_pictures_pass() -> None:
    good = encoded(quarters(), "image/jpeg")
    assert is_bare_jpeg(good, 96)
    assert not is_bare_jpeg(good, 95)
    assert not is_bare_jpeg(encoded(quarters(), "image/jpeg", comment=b"x"), 96)
    assert not is_bare_jpeg(encoded(quarters(), "image/jpeg", exif=located()), 96)
    assert not is_bare_jpeg(encoded(quarters(), "image/jpeg", icc_profile=b"x" * 99), 96)
    assert not is_bare_jpeg(encoded(quarters(), "image/png"), 96)
    for cut in range(len(good)):
        assert not is_bare_jpeg(good[:cut], 96)
    assert not is_bare_jpeg(b"", 96)


def test_the_server_loads_no_decoder() -> None:
    code = "import sys, holdfast.media.renditions, holdfast.media.sniff; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
