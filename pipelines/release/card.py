"""The data card of a release, rendered from its manifest alone.

The text is a Jinja template: `data_cards/card.md.jinja`, or the recipe's own (`release.card`), which the manifest keeps, so
that a release from elsewhere names no file here. It may use every key of the manifest and the names in `NAMES`. The front
matter is written here, because `datasets` reads it.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.release import rollout_rows
from pipelines.release.card_text import CardError, apart, render
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
NAMES = (*_MANIFEST, "purposes", "place", "digest", "loadable", "card_images", "unlicensed", "non_commercial", "proof")
"""What a template may use."""


def render_card(
    manifest: Mapping[str, Any],
    template: Path | None = None,
    card_images: str = CARD_IMAGES,
    place: str | None = None,
    digest: str | None = None,
    proof: Mapping[str, Any] | None = None,
) -> str:
    """The README.md of a release: front matter with its configs, then `template`, or else the one that the manifest
    keeps, or else ours. `card_images` is the folder of the examples' images, `place` what `load_dataset` is given, `digest`
    that of the release, which only a card that is no file of it can name, and `proof` the manifest of a proof of it.

    Raises ConfigError where the template cannot be read or rendered.
    """
    from huggingface_hub import DatasetCardData

    configs = loadable(manifest)
    terms = licences(manifest["sources"])
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
        "proof": proof,
    }
    kept = manifest.get("card") if template is None else None
    text, label = (kept, "of the release") if isinstance(kept, str) else (None, str(template or TEMPLATE))
    try:
        if text is None and template in (None, TEMPLATE):
            body = render(read_template(TEMPLATE), names)
        else:
            body = apart("render", text or read_template(template or TEMPLATE), names)
    except CardError as error:
        raise ConfigError(f"The card template {label} cannot be rendered: {error}") from None
    return f"---\n{data.to_yaml()}\n---\n{body}"


def loadable(manifest: Mapping[str, Any]) -> dict[str, int]:
    """Rows of each config that has any: what `load_dataset` reads, which refuses a split without rows."""
    counted = manifest["statistics"]
    rows = {name: facts["rows"] for name, facts in counted["configs"].items()}
    rows[rollout_rows.NAME] = (counted.get("rollouts") or {"rows": 0})["rows"]
    return {name: number for name, number in rows.items() if number}


def publish_card(
    release: Path, folder: Path, template: Path | None = None, proof: Mapping[str, Any] | None = None
) -> Path:
    """Write a release's card to `folder/<name>.md`, with the manifest that it comes from and its images beside it, and what
    a `proof` of it says."""
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
        path.write_text(render_card(manifest, template, name, digest=digest_of(release), proof=proof), encoding="utf-8")
    return folder / f"{name}.md"


def check_template(template: Path) -> None:
    """Raise ConfigError where a template cannot be read, is no Jinja, or uses a name that there is not."""
    try:
        unknown = sorted(set(apart("names", read_template(template), {})) - set(NAMES))
    except CardError as error:
        raise ConfigError(f"The card template {template} is not valid Jinja: {error}") from None
    if unknown:
        raise ConfigError(f"The card template {template} uses {', '.join(unknown)}; there are {', '.join(NAMES)}.")


def read_template(template: Path) -> str:
    """The text of a template. Raises ConfigError where it cannot be read."""
    try:
        return template.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise ConfigError(f"The card template {template} cannot be read: {why}.") from None


def _size(rows: int) -> str:
    """The hub's name for a number of rows."""
    bounds = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
    return next((name for bound, name in bounds if rows < bound), "10M<n<100M")
