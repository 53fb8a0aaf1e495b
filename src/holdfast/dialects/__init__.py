"""One module for each API that Holdfast speaks, listed here and nowhere else."""

from holdfast.dialects.four_hse import FOUR_HSE
from holdfast.dialects.native import NATIVE
from holdfast.web.dialect import Dialect

ALL: tuple[Dialect, ...] = (NATIVE, FOUR_HSE)
