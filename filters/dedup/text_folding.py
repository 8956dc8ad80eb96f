"""One spelling of the characters of a text, without folding two different numbers into one.

NFKC by itself makes `2³` into `23`, `log₂8` into `log28` and `3½` into `31⁄2`: each another number.
"""

import polars as pl


def folded(text: pl.Expr) -> pl.Expr:
    """NFKC without invisible characters and image placeholders; powers, indices and fractions stay apart; null is ""."""
    return (
        text.fill_null("")
        .str.replace_all(r"<(?:image|video|audio)(?:[_ ]?\d+)?>", " ")
        .str.replace_all(r"\p{Cf}", "")
        .str.replace_all(r"[\x{B2}\x{B3}\x{B9}\x{2070}-\x{207F}]+", "^${0}")
        .str.replace_all(r"([\x{2080}-\x{208E}]+)(\d)", "_${1} ${2}")
        .str.replace_all(r"(\d)([\x{BC}-\x{BE}\x{2150}-\x{215E}\x{2189}])", "${1} ${2}")
        .str.normalize("NFKC")
        .str.replace_all("\u2044", "/", literal=True)
        .str.replace_all(r"[\x{2010}-\x{2013}\x{2212}]", "-")
    )
