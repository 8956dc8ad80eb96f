"""The data card of a release, rendered from its manifest alone.

The text is a Jinja template: `data_cards/card.md.jinja`, or the recipe's own (`release.card`), which the manifest keeps, so
that a release from elsewhere names no file here. It may use every key of the manifest and the names in `NAMES`. The front
matter is written here, because `datasets` reads it.
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unicodedata import category

from pipelines.release import rollout_rows
from pipelines.release.examples import CARD_IMAGES
from pipelines.release.licences import licences
from pipelines.store.release_damage import MANIFEST
from pipelines.store.release_seal import digest_of, sound
from pipelines.store.workspace import replacing, store_errors
from schemas.errors import ConfigError

TEMPLATE = Path(__file__).parents[2] / "data_cards" / "card.md.jinja"

PURPOSES = {
    "sft": "cold start: traces to imitate",
    "rl": "prompts with their gold, for a reward to grade replies",
    "preference": "a preferred and a rejected response to the same prompt",
    "holdout": "never trained on",
    "control": "a random choice of the same size from the same candidates as the selection; not disjoint from it",
    "unfiltered": "all but the holdout before selection; `released` says what is in a config to train on",
    rollout_rows.NAME: rollout_rows.PURPOSE,
}

_MANIFEST = (
    "name", "version", "content", "code", "recipe", "models", "statistics", "files", "evaluation_sets",
    "selection", "checks_of_answers", "verified_shares", "examples", "measured", "regraded", "needs_judge", "sources",
    "encoders", "commit", "code_hash", "libraries", "steps", "facts", "counting", "configs", "images",
)  # fmt: skip
NAMES = (*_MANIFEST, "purposes", "place", "digest", "loadable", "card_images", "unlicensed", "non_commercial")
"""What a template may use."""


def render_card(
    manifest: Mapping[str, Any],
    template: Path | None = None,
    card_images: str = CARD_IMAGES,
    place: str | None = None,
    digest: str | None = None,
) -> str:
    """The README.md of a release: front matter with its configs, then `template`, or else the one that the manifest
    keeps, or else ours. `card_images` is the folder of the examples' images, `place` what `load_dataset` is given, `digest`
    that of the release, which only a card that is no file of it can name.

    Raises ConfigError where the template cannot be read or rendered.
    """
    from huggingface_hub import DatasetCardData

    configs = loadable(manifest)
    terms = licences(manifest["recipe"]["sources"])
    data = DatasetCardData(
        pretty_name=f"{manifest['name']} {manifest['version']}",
        license=terms["license"][0] if len(terms["license"]) == 1 else terms["license"] or None,
        license_name="; ".join(terms["license_name"]) or None,
        task_categories=["image-text-to-text", "visual-question-answering"],
        size_categories=_size(sum(configs.values())),
        tags=[
            "multimodal-reasoning",
            "chain-of-thought",
            "curate",
            *(["non-commercial"] * bool(terms["non_commercial"])),
        ],
        # `datasets` keeps what it has loaded by the names of folder and config, and takes the `v1` of another recipe for
        # this one, unless the description of the config differs.
        configs=[
            {"config_name": name, "data_files": f"{name}/*.parquet", "description": manifest["content"]}
            for name in configs
        ],
    )
    names = {
        **{name: manifest.get(name) for name in _MANIFEST},
        "purposes": PURPOSES,
        "place": place or f"path/to/{manifest['version']}",
        "digest": digest,
        "loadable": list(configs),
        "card_images": card_images,
        "unlicensed": terms["unstated"],
        "non_commercial": terms["non_commercial"],
    }
    kept = manifest.get("card") if template is None else None
    text, label = (kept, "of the release") if isinstance(kept, str) else (None, str(template or TEMPLATE))
    return f"---\n{data.to_yaml()}\n---\n{_render(text or read_template(template or TEMPLATE), label, names)}"


def loadable(manifest: Mapping[str, Any]) -> dict[str, int]:
    """Rows of each config that has any: what `load_dataset` reads, which refuses a split without rows."""
    counted = manifest["statistics"]
    rows = {name: facts["rows"] for name, facts in counted["configs"].items()}
    rows[rollout_rows.NAME] = (counted.get("rollouts") or {"rows": 0})["rows"]
    return {name: number for name, number in rows.items() if number}


def publish_card(release: Path, folder: Path, template: Path | None = None) -> Path:
    """Write a release's card to `folder/<name>.md`, with the manifest that it comes from and its images beside it."""
    manifest = sound(release, "recipe", "statistics", "examples")
    name = manifest["name"]
    shown = [image for example in manifest["examples"] for image in example["images"]]
    lost = next((image for image in shown if not (release / CARD_IMAGES / image).is_file()), None)
    if lost is not None:
        raise ConfigError(
            f"{release / MANIFEST} names the image {lost} for its card, which {CARD_IMAGES} does not hold."
        )
    with store_errors(folder):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for image in shown:
            shutil.copyfile(release / CARD_IMAGES / image, folder / name / image)
    with replacing(folder / f"{name}.json") as path:  # to the byte, for its hash is the digest
        shutil.copyfile(release / MANIFEST, path)
    with replacing(folder / f"{name}.md") as path:
        path.write_text(render_card(manifest, template, name, digest=digest_of(release)), encoding="utf-8")
    return folder / f"{name}.md"


def check_template(template: Path) -> None:
    """Raise ConfigError where a template cannot be read, is no Jinja, or uses a name that there is not."""
    from jinja2 import TemplateError, meta

    environment, text = _environment(), read_template(template)
    try:
        unknown = sorted(meta.find_undeclared_variables(environment.parse(text)) - set(NAMES))
    except (TemplateError, RecursionError) as error:
        raise ConfigError(f"The card template {template} is not valid Jinja: {error}") from None
    if unknown:
        raise ConfigError(f"The card template {template} uses {', '.join(unknown)}; there are {', '.join(NAMES)}.")


def _render(template: str, label: str, names: Mapping[str, Any]) -> str:
    try:
        text: str = _environment().from_string(template).render(**names)
        return text.rstrip() + "\n"
    except Exception as error:  # a template of a release is anybody's, and so is what its manifest says
        raise ConfigError(f"The card template {label} cannot be rendered: {error}") from None


def read_template(template: Path) -> str:
    """The text of a template. Raises ConfigError where it cannot be read."""
    try:
        return template.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise ConfigError(f"The card template {template} cannot be read: {why}.") from None


def _environment() -> Any:
    """Sandboxed, because a template may come with somebody's recipe; a name that is not there is an error."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(
        undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False, finalize=_inert
    )
    filters = (thousands, reasons, outcome, percent, part, histogram, number, line, quote, fenced)
    environment.filters.update({function.__name__: function for function in filters})
    return environment


def thousands(count: int) -> str:
    """`12,345`"""
    return f"{count:,}"


def reasons(dropped: Mapping[str, int]) -> str:
    """`12 verify:wrong, 3 verify:timeout`."""
    return ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())


def outcome(step: Mapping[str, Any]) -> str:
    """What became of a step's rows: `4 segment rows made of 2 trace rows, 1 segment:empty`."""
    made, retired = step.get("makes") and step["type"] != "ingest", step["notes"].get("retired")
    words = [f"{step['kept']:,} {step['unit']} rows made of {step['in']:,} {step['of']} rows"] if made else []
    words += [reasons(step["dropped"])] if step["dropped"] else []
    return ", ".join(words + ([f"{retired:,} retired for what was made of them"] if retired else []))


def percent(share: float | None) -> str:
    """`19 %`, nothing as a dash."""
    return "–" if share is None else f"{share:.0%}".replace("%", " %")


def part(count: int, whole: int) -> str:
    """`58 (53 %)`; the count alone where it is the whole."""
    return f"{count:,}" if count == whole else f"{count:,} ({percent(count / whole)})"


def number(value: float | None) -> str:
    """Whole numbers whole, others to three digits, nothing as a dash."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == int(value) else f"{value:.3f}"


def histogram(counts: Sequence[Mapping[str, int]], width: int = 40) -> str:
    """A line for each k of n, with a bar as long as its share of the largest."""
    most = max(row["samples"] for row in counts)
    labels = [f"{row['k']}/{row['n']}" for row in counts]
    pad = max(map(len, labels))
    lines = (
        f"{label:>{pad}}  {'█' * round(width * row['samples'] / most)} {row['samples']:,}"
        for label, row in zip(labels, counts, strict=True)
    )
    return "\n".join(lines)


def line(text: Any) -> str:
    """A text that shows as it is: it cannot leave its table cell or line, and makes no image, link or tag."""
    return _ESCAPES.sub("&#92;", " ".join(str(text).split()).translate(_PLAIN))


def quote(text: str) -> str:
    """A text of several lines inside a quotation."""
    return "\n> ".join(line(part) for part in text.splitlines())


class _Code(str):
    """What is inside a code block, where nothing is markup."""


def fenced(text: str) -> str:
    """A text inside a code block, which it cannot end."""
    return _Code(text.replace("```", "'''"))


def _inert(value: Any) -> Any:
    """Whatever a template puts in: a text that makes no tag, link or image and shows its letters in their order."""
    if not isinstance(value, str):
        return value
    seen = "".join(c for c in value if c == "\n" or category(c) not in ("Cc", "Cf"))
    return (
        seen if isinstance(value, _Code) else seen.replace("<", "&#60;").replace("](", "]&#40;").replace("][", "]&#91;")
    )


_PLAIN = str.maketrans({"&": "&amp;"} | {c: f"&#{ord(c)};" for c in "<|[]`*"})
"""As entities, because a backslash before a mark may itself have one before it."""
_ESCAPES = re.compile(r"\\(?=[!-/:-@\[-`{-~])")
"""Backslashes that Markdown would take for its own; that of `\\frac` it leaves alone."""


def _size(rows: int) -> str:
    """The hub's name for a number of rows."""
    bounds = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
    return next((name for bound, name in bounds if rows < bound), "10M<n<100M")
