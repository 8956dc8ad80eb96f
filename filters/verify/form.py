"""Whether responses are laid out as their tag schema says, which is a question apart from whether they are right."""

from collections.abc import Sequence

import polars as pl

from schemas.tags import TAG_SCHEMAS, parse_tags


def well_formed(responses: Sequence[str | None], tags: str | Sequence[str]) -> pl.Series:
    """Booleans, a row a response: every required section once, in order, and nothing outside (`schemas.tags.parse_tags`).

    `tags` names one schema for all, or one for each. Null where there is no response.
    """
    schemas = [tags] * len(responses) if isinstance(tags, str) else tags
    found = [
        None if text is None else parse_tags(text, TAG_SCHEMAS[schema]).violation is None
        for text, schema in zip(responses, schemas, strict=True)
    ]
    return pl.Series("well_formed", found, dtype=pl.Boolean)
