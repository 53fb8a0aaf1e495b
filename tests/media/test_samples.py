"""The demo files are what they say, and are the same every time."""

import csv
import importlib
import io
import subprocess
import sys
import wave
import zipfile
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from holdfast.core.model import Derived
from holdfast.media.renditions import SUPPORTED
from holdfast.media.sniff import sniff
from holdfast.samples import Sample, samples
from tests.media.conftest import Derive

SAMPLES = {sample.name: sample for sample in samples()}


def named(start: str) -> bytes:
    """The bytes of the sample whose name begins or ends so."""
    return next(sample.make() for sample in samples() if sample.name.startswith(start) or sample.name.endswith(start))


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.media_type)
def test_each_is_what_it_says_and_always_the_same(sample: Sample) -> None:
    data = sample.make()
    assert data == sample.make()
    assert sniff(data[:4096], sample.name, sample.media_type) == sample.media_type
    assert sniff(data[:4096], sample.name, None) == sample.media_type
    assert 50 < len(data) < 300_000


def test_names_differ_and_come_in_several_scripts() -> None:
    assert len(SAMPLES) == len(samples()) >= 12
    first = {"".join(name.split())[0] for name in SAMPLES}
    for low, high in (("a", "z"), ("а", "я"), ("가", "힣"), ("ء", "ي"), ("一", "龥")):
        assert any(low <= letter.lower() <= high for letter in first)


@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if sample.media_type in SUPPORTED])
def test_each_picture_has_a_thumbnail(derive: Derive, name: str) -> None:
    derived = derive(SAMPLES[name].make(), SAMPLES[name].media_type, (256,))
    assert isinstance(derived, Derived)
    photo = name.endswith(".jpg")
    assert (derived.facts.captured is not None) == photo


def test_the_lease_has_text_on_three_pages() -> None:
    pdfium: Any = importlib.import_module("pypdfium2")  # it has no types
    document = pdfium.PdfDocument(named(".pdf"))
    texts = [page.get_textpage().get_text_bounded() for page in document]
    assert [f"Page {at} of 3" in text for at, text in enumerate(texts, 1)] == [True] * 3
    assert "Lease agreement" in texts[0]


def test_office_files_are_whole() -> None:
    for ending, part in ((".docx", "word/document.xml"), (".xlsx", "xl/worksheets/sheet1.xml")):
        package = zipfile.ZipFile(io.BytesIO(named(ending)))
        assert package.testzip() is None
        assert package.namelist()[0] == "[Content_Types].xml"
        for name in package.namelist():
            ET.fromstring(package.read(name))
        assert part in package.namelist()


def test_the_rest_can_be_read() -> None:
    rows = list(csv.reader(io.StringIO(named(".csv").decode())))
    assert {len(row) for row in rows} == {3}
    assert len(rows) == 4
    assert "السقف" in named(".txt").decode()
    with wave.open(io.BytesIO(named(".wav"))) as sound:
        assert sound.getnframes() == sound.getframerate() == 8000
    assert getattr(Image.open(io.BytesIO(named(".gif"))), "n_frames", 1) == 8
    assert Image.open(io.BytesIO(named(".png"))).getchannel("A").getextrema() == (0, 255)


def test_nothing_heavy_is_loaded_before_a_sample_is_made() -> None:
    code = "import sys, holdfast.samples as s; s.samples(); sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
