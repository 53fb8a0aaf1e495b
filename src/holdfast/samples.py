"""Sample files for the demo account, made in memory: the same bytes at every call on one set of libraries.

Every picture, text and number here is drawn or written by this module.
"""

import io
import math
import struct
import wave
import zipfile
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import msgspec

if TYPE_CHECKING:
    from PIL import Image

_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_EPOCH = (2024, 1, 1, 0, 0, 0)
"""The time stamp of entries in Office files, fixed so that the bytes are."""

_SOUND_RATE = 8000
"""Samples a second: enough for a chime, and a small file."""


class Sample(msgspec.Struct, frozen=True):
    """One file to be made when it is needed."""

    name: str
    media_type: str
    make: Callable[[], bytes]


def samples() -> tuple[Sample, ...]:
    """About a dozen files of the kinds that business records have, with names in several scripts."""
    return (
        Sample("front of the house.jpg", "image/jpeg", lambda: _house(1600, 1200, sky=(120, 180, 235), taken=1)),
        Sample("Wasserschaden Küche.jpg", "image/jpeg", lambda: _stain(1200, 1600, taken=2)),
        Sample("현장 사진.jpg", "image/jpeg", lambda: _house(1024, 768, sky=(250, 190, 130), taken=3)),
        Sample("nameplate.jpg", "image/jpeg", lambda: _nameplate(800, 500, taken=4)),
        Sample("půdorys 1. patro.png", "image/png", _plan),
        Sample("lease agreement.pdf", "application/pdf", _lease),
        Sample("報告書.docx", _DOCX, _report),
        Sample("Аренда 2024.xlsx", _XLSX, _rents),
        Sample("rents.csv", "text/csv", _rents_as_text),
        Sample("ملاحظات.txt", "text/plain", _notes),
        Sample("door chime.wav", "audio/wav", _chime),
        Sample("warning light.gif", "image/gif", _beacon),
    )


# ---------------------------------------------------------------- photos and drawings


def _photo(picture: "Image.Image", taken: int) -> bytes:
    """A JPEG as a camera leaves it, taken on day `taken` of May 2024."""
    from PIL import Image  # noqa: PLC0415

    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "Holdfast", "Demo camera", 1
    details = exif.get_ifd(0x8769)
    details[0x9003], details[0x9011] = f"2024:05:{taken:02d} 09:{10 * taken:02d}:00", "+02:00"
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=88, exif=exif)
    return out.getvalue()


def _shaded(width: int, height: int, top: tuple[int, int, int], bottom: tuple[int, int, int]) -> "Image.Image":
    from PIL import Image  # noqa: PLC0415

    ramp = Image.linear_gradient("L").resize((width, height))
    return Image.composite(Image.new("RGB", (width, height), bottom), Image.new("RGB", (width, height), top), ramp)


def _house(width: int, height: int, sky: tuple[int, int, int], taken: int) -> bytes:
    from PIL import ImageDraw  # noqa: PLC0415

    picture = _shaded(width, height, sky, (235, 240, 245))
    pen = ImageDraw.Draw(picture)
    x, y = width / 100, height / 100
    pen.ellipse((78 * x, 8 * y, 88 * x, 8 * y + 10 * x), fill=(255, 225, 120))
    pen.rectangle((0, 80 * y, width, height), fill=(96, 140, 80))
    pen.polygon((15 * x, 42 * y, 50 * x, 15 * y, 85 * x, 42 * y), fill=(150, 62, 48))
    pen.rectangle((20 * x, 42 * y, 80 * x, 84 * y), fill=(238, 226, 204))
    pen.rectangle((45 * x, 60 * y, 56 * x, 84 * y), fill=(92, 62, 44))
    for left in (26, 64):
        pen.rectangle((left * x, 50 * y, (left + 11) * x, 66 * y), fill=(176, 208, 226), outline=(80, 80, 80), width=4)
        pen.line(((left + 5.5) * x, 50 * y, (left + 5.5) * x, 66 * y), fill=(80, 80, 80), width=4)
    return _photo(picture, taken)


def _stain(width: int, height: int, taken: int) -> bytes:
    from PIL import ImageDraw, ImageFilter  # noqa: PLC0415

    picture = _shaded(width, height, (226, 224, 218), (202, 198, 188))
    pen = ImageDraw.Draw(picture)
    for ring in range(14):
        spread = 30 * (14 - ring)
        bent = 60 * math.sin(ring)
        box = (300 - spread / 2 + bent, 420 - spread, 620 + spread / 2 + bent, 640 + spread)
        pen.ellipse(box, fill=(196 - 5 * ring, 178 - 6 * ring, 140 - 6 * ring))
    picture = picture.filter(ImageFilter.GaussianBlur(6))
    ImageDraw.Draw(picture).rectangle((0, height - 160, width, height), fill=(150, 116, 84))
    return _photo(picture, taken)


def _nameplate(width: int, height: int, taken: int) -> bytes:
    from PIL import ImageDraw, ImageFont  # noqa: PLC0415

    picture = _shaded(width, height, (120, 124, 130), (70, 74, 80))
    pen = ImageDraw.Draw(picture)
    pen.rounded_rectangle((60, 60, width - 60, height - 60), 24, fill=(206, 208, 210), outline=(40, 40, 40), width=5)
    for line, text in enumerate(("BOILER  HF-2400", "Serial  0017-4482-A", "24 kW   3 bar   2019")):
        pen.text((110, 120 + 90 * line), text, fill=(30, 30, 30), font=ImageFont.load_default(48))
    return _photo(picture, taken)


def _plan() -> bytes:
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415

    picture = Image.new("RGBA", (1200, 800), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    rooms = {"Kitchen": (60, 60, 460, 380), "Hall": (460, 60, 700, 740), "Bath": (60, 380, 460, 740)}
    rooms["Living room"] = (700, 60, 1140, 740)
    for name, box in rooms.items():
        pen.rectangle(box, outline=(20, 40, 70, 255), width=10)
        pen.text((box[0] + 30, box[1] + 30), name, fill=(20, 40, 70, 255), font=ImageFont.load_default(30))
    pen.arc((660, 340, 780, 460), 90, 180, fill=(190, 60, 40, 255), width=5)
    pen.rectangle((860, 735, 1000, 745), fill=(90, 150, 210, 160))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _beacon() -> bytes:
    from PIL import Image, ImageDraw  # noqa: PLC0415

    frames = []
    for step in range(8):
        frame = Image.new("RGB", (160, 160), (24, 26, 30))
        glow = int(127 + 127 * math.cos(step * math.pi / 4))
        ImageDraw.Draw(frame).ellipse((30, 30, 130, 130), fill=(80 + glow * 2 // 3, glow // 2, 10))
        frames.append(frame)
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=120, loop=0)
    return out.getvalue()


# ---------------------------------------------------------------- documents


def _lease() -> bytes:
    articles = (
        ("Lease agreement", "Between the owner of 12 Harbour Street and the tenant named below."),
        ("1  The premises", "The first floor, with kitchen, bath, hall and living room, as drawn in the plan."),
        ("2  The rent", "950 a month, due on the third working day, including water but not heating."),
    )
    return _pdf(
        [[title, "", text, "", f"Page {at} of {len(articles)}"] for at, (title, text) in enumerate(articles, 1)]
    )


def _pdf(pages: Sequence[Sequence[str]]) -> bytes:
    """A PDF of A4 pages of text in a font that every reader has."""
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(pages)))
    bodies = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    ]
    for at, lines in enumerate(pages):
        # Text in parentheses: the lines above hold none of their own, and no backslash.
        shown = "".join(f"({line}) Tj T*\n" for line in lines)
        content = f"BT /F 12 Tf 20 TL 72 740 Td\n{shown}ET"
        fonts = "/Resources<</Font<</F 3 0 R>>>>"
        bodies.append(f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]{fonts}/Contents {5 + 2 * at} 0 R>>")
        bodies.append(f"<</Length {len(content)}>>\nstream\n{content}\nendstream")
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(bodies, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("cp1252")
    start = len(out)
    out += f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n".encode()
    out += "".join(f"{place:010d} 00000 n \n" for place in places).encode()
    out += f"trailer\n<</Size {len(places) + 1}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


_PACKAGE = "http://schemas.openxmlformats.org/package/2006/"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/{}/2006/main"


def _office(part: str, entries: dict[str, tuple[str, str]]) -> bytes:
    """An Office package: `entries` maps a part to its content type and XML, `part` is where a reader begins."""
    overrides = "".join(
        f'<Override PartName="/{name}" ContentType="{kind}"/>' for name, (kind, _) in entries.items() if kind
    )
    files = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>',
        "_rels/.rels": _relation(f"{_OFFICE}/officeDocument", part),
        **{name: text for name, (_, text) in entries.items()},
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in files.items():
            xml = f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n{text}'
            package.writestr(zipfile.ZipInfo(name, _EPOCH), xml.encode(), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _relation(kind: str, target: str) -> str:
    one = f'<Relationship Id="r1" Type="{kind}" Target="{target}"/>'
    return f'<Relationships xmlns="{_PACKAGE}relationships">{one}</Relationships>'


def _report() -> bytes:
    lines = (
        "点検報告書 / Inspection report",
        "The roof was seen from the ladder; two tiles are loose above the kitchen.",
        "台所の天井に水のしみがあります。",
        "Repair within fourteen days is advised.",
    )
    body = "".join(f"<w:p><w:r><w:t>{escape(line)}</w:t></w:r></w:p>" for line in lines)
    text = f'<w:document xmlns:w="{_MAIN.format("wordprocessingml")}"><w:body>{body}<w:sectPr/></w:body></w:document>'
    return _office("word/document.xml", {"word/document.xml": (f"{_DOCX}.main+xml", text)})


_RENTS: tuple[tuple[str | int, ...], ...] = (
    ("Flat", "Tenant", "Rent"),
    ("1A", "Nováková", 950),
    ("1B", "O'Brien", 1020),
    ("2A", "Øster & Søn", 1375),
)


def _rents() -> bytes:
    rows = []
    for number, row in enumerate(_RENTS, 1):
        cells = []
        for column, value in zip("ABC", row, strict=True):
            place = f'r="{column}{number}"'
            if isinstance(value, int):
                cells.append(f"<c {place}><v>{value}</v></c>")
            else:
                cells.append(f'<c {place} t="inlineStr"><is><t>{escape(value)}</t></is></c>')
        rows.append(f'<row r="{number}">{"".join(cells)}</row>')
    main = _MAIN.format("spreadsheetml")
    sheet = f'<worksheet xmlns="{main}"><sheetData>{"".join(rows)}</sheetData></worksheet>'
    sheets = '<sheets><sheet name="Аренда" sheetId="1" r:id="r1"/></sheets>'
    book = f'<workbook xmlns="{main}" xmlns:r="{_OFFICE}">{sheets}</workbook>'
    stem = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    return _office(
        "xl/workbook.xml",
        {
            "xl/workbook.xml": (f"{stem}.sheet.main+xml", book),
            "xl/_rels/workbook.xml.rels": ("", _relation(f"{_OFFICE}/worksheet", "worksheets/sheet1.xml")),
            "xl/worksheets/sheet1.xml": (f"{stem}.worksheet+xml", sheet),
        },
    )


def _rents_as_text() -> bytes:
    return "".join(",".join(map(str, row)) + "\r\n" for row in _RENTS).encode()


def _notes() -> bytes:
    return "تم فحص السقف يوم الثلاثاء.\nThe keys are with the neighbour, ground floor.\nKlíče má soused.\n".encode()


def _chime() -> bytes:
    """Two falling tones of half a second each."""
    frames = bytearray()
    for hertz in (880, 660):
        for at in range(_SOUND_RATE // 2):
            fade = 1 - at / (_SOUND_RATE / 2)
            frames += struct.pack("<h", round(12_000 * fade * math.sin(2 * math.pi * hertz * at / _SOUND_RATE)))
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(_SOUND_RATE)
        sound.writeframes(bytes(frames))
    return out.getvalue()
