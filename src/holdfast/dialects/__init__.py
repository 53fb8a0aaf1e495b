"""One module for each API that Holdfast speaks, listed here and nowhere else."""

from holdfast.dialects.case_iq import CASE_IQ
from holdfast.dialects.four_hse import FOUR_HSE
from holdfast.dialects.native import NATIVE
from holdfast.dialects.navarik import NAVARIK
from holdfast.dialects.property_deck import PROPERTY_DECK
from holdfast.dialects.propops import PROPOPS
from holdfast.web.dialect import Dialect

ALL: tuple[Dialect, ...] = (NATIVE, PROPOPS, PROPERTY_DECK, CASE_IQ, FOUR_HSE, NAVARIK)
