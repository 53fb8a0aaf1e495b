"""The pieces of names in ASCII, which are cut a faster way than all others."""

from hypothesis import given
from hypothesis import strategies as st

from holdfast.catalog.folding import name_pieces


@given(st.text(st.sampled_from("ab1 ._-\x7f"), max_size=12))
def test_a_name_in_ascii_gives_its_trigrams_and_the_openings_of_its_words(name: str) -> None:
    trigrams = {f"7x{name[at : at + 3].encode().hex()}" for at in range(len(name) - 2)}
    begins = [at for at, here in enumerate(name) if here.isalnum() and not name[max(0, at - 1) : at].isalnum()]
    openings = {f"7w{name[at : at + length].encode().hex()}" for at in begins for length in (1, 2)}
    assert set(name_pieces(7, name).split()) == trigrams | openings
