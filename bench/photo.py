"""Photographs for the thumbnail workload, and the bare Pillow call that it is compared with."""

import importlib
import io
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SIZE = (4000, 3000)
THUMBNAIL = (256, 256)


def _pillow() -> Any:
    # By name, because Pillow lives only in the bench's own environment, not where the project is type-checked.
    return importlib.import_module("PIL.Image")


def make_photo(path: Path, seed: int) -> Path:
    """A smooth picture of 12 megapixels with grain: 3 to 4 MB as JPEG, like a photograph."""
    image = _pillow()
    small = image.frombytes("RGB", (200, 150), random.Random(seed).randbytes(200 * 150 * 3))
    grain = image.merge("RGB", (image.effect_noise(SIZE, 40),) * 3)
    image.blend(small.resize(SIZE, image.Resampling.BICUBIC), grain, 0.12).save(path, "JPEG", quality=88)
    return path


def distinct_copy(photo: Path, target: Path) -> Path:
    """The same picture with another comment segment, so that no rendition made earlier can serve for it."""
    data, comment = photo.read_bytes(), os.urandom(16).hex().encode()
    target.write_bytes(data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:])
    return target


def bare_pillow_ms(photos: Sequence[Path]) -> float:
    """Median of one warm process: read, shrink to 256 pixels, encode."""
    image, took = _pillow(), []
    for photo in photos:
        began = time.perf_counter()
        with image.open(photo) as picture:
            picture.thumbnail(THUMBNAIL)
            picture.convert("RGB").save(io.BytesIO(), "JPEG", quality=80)
        took.append((time.perf_counter() - began) * 1e3)
    later = sorted(took[1:] or took)
    return round(later[len(later) // 2], 1)
