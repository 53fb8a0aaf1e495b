"""One module for each API that Holdfast speaks, listed here and nowhere else."""

from holdfast.dialects.native import NATIVE
from holdfast.dialects.navarik import NAVARIK
from holdfast.web.dialect import Dialect

ALL: tuple[Dialect, ...] = (NATIVE, NAVARIK)
