"""Texts that an attacker may choose, and a check of what a program shows of them."""

from __future__ import annotations

from unicodedata import category

from hypothesis import strategies as st

WORST = "\x1b[2J\r\n2024-01-01 ERROR forged\x9b1m\x07\x00\u202eabc\u2066\u2028\ud800\u061c<script>"
"""A text with a bit of everything."""

_PARTS = (
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\r",
    "\n",
    "\r\n",
    "\x85",
    "\u2028",
    "\x00",
    "\x7f",
    "\x9b",
    "\u202e",
    "\u2067",
    "\u200f",
    "\ud800",
    "\udfff",
    "\U000e0041",
    "[bold]",
    "{0}%s",
    "مرحبا",
    "日本",
)


def hostile_texts() -> st.SearchStrategy[str]:
    """Generate texts with escape sequences, line breaks, surrogates and bidi marks."""
    anything = st.text(st.characters(), max_size=8)
    return (
        st.lists(st.sampled_from(_PARTS) | anything, min_size=1, max_size=8)
        .map("".join)
        .filter(bool)
    )


def problems_of(shown: str) -> list[str]:
    """Return the characters of an output that are not harmless, apart from line breaks and tabs."""
    return [
        f"U+{ord(character):04X}"
        for character in shown
        if category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        and character not in "\n\t\u200c\u200d"
    ]
