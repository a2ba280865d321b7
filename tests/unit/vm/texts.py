"""Texts that a person can fill in, for hypothesis."""

from hypothesis import strategies as st

PRINTABLE = st.text(
    # str.isprintable: no character of Unicode's kinds Other and Separator but the space.
    st.characters(exclude_categories=["C", "Z"], include_characters=" ,='\"\\<>&;$`#"),
    min_size=1,
    max_size=200,
)
"""What a spec takes in its texts, with what shells, XML and virt-install treat specially."""
