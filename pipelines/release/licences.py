"""Licences by the names that the Hugging Face Hub has for them: it refuses a card that names another."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

HUB = frozenset(
    (
        "apache-2.0", "mit", "openrail", "bigscience-openrail-m", "creativeml-openrail-m", "bigscience-bloom-rail-1.0",
        "bigcode-openrail-m", "openrail++", "deepfloyd-if-license", "llama2", "gemma", "afl-3.0", "artistic-2.0", "bsl-1.0",
        "bsd", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "c-uda", "cc", "cc0-1.0", "cc-by-2.0", "cc-by-2.5",
        "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0",
        "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0",
        "cdla-sharing-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "wtfpl", "ecl-2.0", "epl-1.0", "epl-2.0",
        "etalab-2.0", "eupl-1.1", "agpl-3.0", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "lgpl", "lgpl-2.1", "lgpl-3.0", "isc",
        "lppl-1.3c", "ms-pl", "mpl-2.0", "odc-by", "odbl", "osl-3.0", "postgresql", "ofl-1.1", "ncsa", "unlicense", "zlib",
        "pddl", "lgpl-lr", "unknown", "other",
    )
)  # fmt: skip
"""https://huggingface.co/docs/hub/repositories-licenses"""


def hub_licence(name: str | None) -> str | None:
    """The Hub's name for a licence, `other` where it has none; None where none is stated."""
    lowered = name.strip().lower() if name else None
    return lowered if lowered is None or lowered in HUB else "other"


def licences(sources: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is known of the licences of a recipe's sources (`name, license`).

    `license` are the Hub's names, each once, `license_name` the names that the Hub does not know, as they were stated;
    `non_commercial` and `unstated` are the sources whose licence forbids commercial use, and that state none.
    """
    stated = {source["name"]: source.get("license") for source in sources}
    known = {name: hub_licence(licence) for name, licence in stated.items()}
    return {
        "license": sorted({licence for licence in known.values() if licence is not None}),
        "license_name": sorted({str(stated[name]) for name, licence in known.items() if licence == "other"}),
        "non_commercial": [name for name, licence in stated.items() if licence and is_non_commercial(licence)],
        "unstated": [name for name, licence in stated.items() if not licence],
    }


def is_non_commercial(licence: str) -> bool:
    """Whether a licence says by its name that it forbids commercial use: `cc-by-nc-4.0`, "for research only"."""
    return _NON_COMMERCIAL.search(licence.casefold()) is not None


_NON_COMMERCIAL = re.compile(
    r"(^|[^a-z])nc([^a-z]|$)|non[- ]?commercial|research (use )?only|academic (use )?only|(research|academic) purposes only"
)
