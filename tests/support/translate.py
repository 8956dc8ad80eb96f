"""An old recipe, of sections in a fixed order, as a recipe of steps: the net under the change from one to the other.

Each section becomes the steps that do what it did. What a recipe of steps has no words for is refused by its key
(`UntranslatableError`). The prompts of the translation are those of the old recipe to the last byte, so that a build of it
finds all of its answers in the log of the old one.
"""

import re
from collections.abc import Iterable, Mapping
from string import Formatter
from typing import Any

from filters.trace_quality import LEAKS
from filters.verify.contracts import CONTRACTS
from schemas.tags import TAG_SCHEMAS, thoughts

Section = dict[str, Any]
Steps = list[Any]

HEAD = ("name", "description", "seed", "limit", "models", "sources", "ingest")
SHOWN = {"caption": "caption or ''", "answer": "answer", "question": "question", "reasoning": "reasoning"}
"""The fields of old prompts, as expressions of new ones."""

CHOICES = {
    "equivalence": ("correct", "incorrect"),
    "valid_invalid": ("valid", "invalid"),
    "final_decision": ("yes", "no"),
    "yes_no": ("yes", "no"),
    "one_zero": ("1", "0"),
}
"""What a judge says by each contract, the right one first."""


class UntranslatableError(Exception):
    """A key of an old recipe that a recipe of steps has no words for."""


def translate(old: Mapping[str, Any]) -> dict[str, Any]:
    """An old recipe (the mapping that its YAML is) as a recipe of steps.

    Raises UntranslatableError, which begins with the key, for what there is no step for.
    """
    return Translation(old).recipe()


class Translation:
    """One old recipe, section by section."""

    def __init__(self, old: Mapping[str, Any]) -> None:
        self.old = {key: value for key, value in old.items() if value is not None}
        self.unmeasured = "quality" in old and old["quality"] is None
        self.verify = self.section("verify")
        self.tags = self.verify.get("tags", "think_answer_boxed")
        self.pairs_traces = self.section("preference").get("responses") == "traces"

    def section(self, name: str) -> Section:
        return dict(self.old.get(name) or {})

    def has(self, name: str) -> bool:
        return name in self.old

    def recipe(self) -> dict[str, Any]:
        found = {key: self.old[key] for key in HEAD if key in self.old}
        driver = self.section("driver")
        for key, name in (("workers", "workers"), ("budget_s", "verify_seconds")):
            if key in self.verify:
                driver.setdefault(name, self.verify[key])
        if driver:
            found["driver"] = driver
        known = {*HEAD, "driver", *SECTIONS}
        for key in self.old:
            if key not in known:
                raise UntranslatableError(f"{key}: no section of this name is known")
        return found | {"steps": [step for name in SECTIONS.values() for step in name(self)]}

    # What is asked and judged of traces.

    def caption(self) -> Steps:
        if not self.has("caption"):
            return []
        # One that could not be had leaves its sample where it is: it is its trace that is not asked for.
        return [{"caption": {**put(self.section("caption")), "unanswered": "keep", "unreadable": "keep"}}]

    def distill(self) -> Steps:
        if not self.has("distill"):
            return []
        section, captioned = self.section("distill"), self.has("caption")
        prompt = section.pop("prompt", None)
        told = "{% if caption %}Description: {{ caption }}\nQuestion: {{ question }}{% else %}{{ question }}{% endif %}"
        names = fields(prompt) if prompt is not None else ["caption", "question"] if captioned else ["question"]
        section["prompt"] = template(prompt) if prompt is not None else told if captioned else "{{ question }}"
        section["sees"] = section.get("sees") or ("nothing" if captioned else "media")
        if section["sees"] == "nothing":
            without = "len(media) = 0"
            section["where"] = f"caption IS NOT NULL OR {without}" if captioned else without
        if "shots" in section:
            section["shots"] = [shot(dict(given), names) for given in section["shots"]]
        for new, name in (("conclude", "force_answer"), ("conclude_tokens", "force_tokens")):
            if name in section:
                section[new] = section.pop(name)
        if section.get("system"):
            section["system"] = template(section["system"], formatted=False)
        return [{"distill": section}]

    def verified(self) -> Steps:
        return ["verify"] if self.has("distill") else []

    def judge(self) -> Steps:
        if not (self.has("judge") and self.has("distill")):
            return []
        asked = self._judge("judge", "trace", "correct IS NULL AND final IS NOT NULL", "final")
        return [*asked, self._decided("judge", "judged", "trace")]

    def _judge(self, name: str, unit: str, where: str, said: str) -> Steps:
        section = self.section("judge")
        contract = CONTRACTS[section.pop("contract", "equivalence")]
        if contract.name not in CHOICES:
            raise UntranslatableError(f"judge.contract: {contract.name} is no choice between texts")
        if section.get("votes", 1) > 1:
            raise UntranslatableError("judge.votes: the mean of several verdicts is no choice between texts")
        section.pop("threshold", None)  # of one verdict, which is 0 or 1, any threshold says the same
        values = {"question": "{{ question }}", "gold": "{{ answer }}", "answer": f"{{{{ {said} }}}}"}
        shown = "".join(
            literal(text) + (values[field] if field else "") for text, field, _, _ in Formatter().parse(contract.prompt)
        )
        asked = {
            "as": name, "of": unit, "where": where, "system": literal(contract.system), "prompt": shown,
            "reply": {"choice": list(CHOICES[contract.name])}, "constrain": False, "unreadable": "keep",
        }  # fmt: skip
        return [{"judge": {**section, **asked}}]

    def _decided(self, judge: str, name: str, unit: str) -> Section:
        right = CHOICES[self.section("judge").get("contract", "equivalence")][0]
        return {"sql": {"as": name, "of": unit, "gives": {"correct": f"coalesce(correct, {judge} = '{right}')"}}}

    def dropped(self) -> Steps:
        if not self.has("distill"):
            return []
        wrong = {} if self.pairs_traces else {"wrong": "NOT correct"}
        return [{"drop": {"of": "trace", "if": {"no_answer": "final IS NULL", **wrong, "unscored": "correct IS NULL"}}}]

    def rewrite(self) -> Steps:
        if not (self.has("rewrite") and self.has("distill")):
            return []
        leaks = self.section("quality").get("leaks", LEAKS)
        pattern = "(?i)" + "|".join(f"(?:{leak})" for leak in leaks).replace("'", "''")
        section = put(self.section("rewrite"))
        leaking = f"regexp_matches(reasoning, '{pattern}')"
        return [{"rewrite": {**section, "where": f"correct AND {leaking}" if self.pairs_traces else leaking}}]

    def quality(self) -> Steps:
        if not self.has("distill"):
            return []
        thought = bool(thoughts(TAG_SCHEMAS[self.tags]))
        section = self.section("quality")
        if self.unmeasured:  # but for a thought, which every trace had to have
            off = ("max_repeated_ngrams", "max_repeated_sentences", "max_stutters")
            section = {**dict.fromkeys(off, None), "contradictions": False}
        if self.unmeasured and not thought:
            return []
        if self.pairs_traces:
            section["where"] = "correct"
        return [{"quality": {**section, "thought": thought}}]

    def pick(self) -> Steps:
        section, n = self.section("traces"), self.section("distill").get("n", 1)
        if not self.has("distill"):
            return []
        found: Section = {}
        pick = section.get("pick", "all")
        if pick != "all":
            code = pick == "shortest" and section.get("variant") == "code"
            found |= {"take": "second_longest" if code else pick, "most": section.get("m", 1)}
            found |= {"base": section["base"]} if "base" in section else {}
        if section.get("beats_chance", True) and n > 1:
            found["beats_chance"] = True
            found |= {"max_guess": section["max_guess"]} if "max_guess" in section else {}
        if self.pairs_traces and found:
            found["where"] = "correct"
        return [{"pick": found}] if found else []

    # What students are asked, and what follows from it.

    def rollouts(self) -> Steps:
        if not self.has("rollouts"):
            return []
        section, counting = self.section("rollouts"), self.section("difficulty")
        tags = section.get("tags", "plain")
        if "prompt" in section:
            section["prompt"] = template(section["prompt"])
        if section.get("system"):
            section["system"] = template(section["system"], formatted=False)
        if section.get("adaptive") is not None:
            counted = {key: counting[key] for key in ("truncated", "no_answer") if key in counting}
            section["adaptive"] = {**section["adaptive"], **counted}
        found: Steps = [{"rollout": section}, {"verify": {"as": "scored", "of": "rollout", "tags": tags}}]
        if self.has("judge"):
            where = "correct IS NULL AND extracted IS NOT NULL AND finish_reason = 'stop'"
            found += self._judge("judge_rollouts", "rollout", where, "extracted")
            found.append(self._decided("judge_rollouts", "judged_rollouts", "rollout"))
        return found

    @property
    def students(self) -> tuple[str, ...]:
        model = self.section("rollouts")["model"]
        return (model,) if isinstance(model, str) else tuple(model)

    def difficulty(self) -> Steps:
        if not self.has("rollouts"):
            return []
        first, *others = self.students
        section = self.section("difficulty")
        if not others:
            return [{"difficulty": section}]
        named = [
            {"difficulty": {**section, "as": f"of_{name}", "model": name, "unmeasured": "keep"}} for name in others
        ]
        return [{"difficulty": {**section, "model": first}}, *named]

    def checks(self) -> Steps:
        if not self.section_list("checks"):
            return []
        counting, n = self.section("difficulty"), self.section("rollouts").get("n", 8)
        counted = {key: counting[key] for key in ("truncated", "no_answer") if key in counting}
        rules = {"rules": self.old["check_rules"]} if self.has("check_rules") else {}
        return [{"checks": {"model": self.students[0], "checks": self.old["checks"], "n": n, **counted, **rules}}]

    def section_list(self, name: str) -> list[Any]:
        return list(self.old.get(name) or ())

    # Whole sets.

    def _encoders(self, *names: str) -> Section:
        dedup = self.section("dedup")
        return {name: dedup[name] for name in names if dedup.get(name) is not None}

    def dedup(self) -> Steps:
        if not self.has("dedup"):
            return []
        counted: Steps = []
        if self.has("distill"):  # of two duplicates the one with more right traces stays
            right = "survives AND correct" if self.pairs_traces else "survives"
            count = f"count(*) FILTER ({right})"
            counted = [
                {"sql": {"as": "survivors", "of": "trace", "gives": {"survives": "true"}}},
                {"tally": {"as": "right_traces", "of": "trace", "to": "sample",
                           "gives": {"n_correct": count, "verified": f"{count} > 0"}}},
            ]  # fmt: skip
        return [*counted, {"dedup": self.section("dedup")}]

    def decontaminate(self) -> Steps:
        if not self.has("decontaminate"):
            return []
        section = self.section("decontaminate")
        encoders = self._encoders("text", "image") | {k: section.pop(k) for k in ("text", "image") if k in section}
        if not section.pop("embeddings", True) or "text" not in encoders:
            encoders = {}
        return [{"decontaminate": {**section, **encoders}}]

    def signals(self) -> Steps:
        if not self.has("signals"):
            return []
        section = self.section("signals")
        model = section["model"]
        first, *others = [model] if isinstance(model, str) else model
        named = [{"signals": {**section, "model": name, "as": f"signals_of_{name}"}} for name in others]
        return [{"signals": {**section, "model": first}}, *named]

    def shares(self) -> dict[str, float]:
        given = self.section("split")
        shares = {s: given.get(s, share) for s, share in (("sft", 0.6), ("rl", 0.35), ("holdout", 0.05))}
        if not self.has("distill"):
            shares |= {"sft": 0.0, "rl": shares["rl"] + shares["sft"]}
        return shares

    def split(self) -> Steps:
        section = self.section("split") | self.shares()
        if "same_pictures" in section:
            section["same_images"] = section.pop("same_pictures")
        return [{"split": section | self._encoders("text", "image")}]

    def select(self) -> Steps:
        if not self.has("select"):
            return []
        section = self.section("select")
        rule = section.get("rule") or {}
        rule = {"type": rule} if isinstance(rule, str) else rule
        if rule.get("type") == "mmr1_vas" and rule.get("beta", 1) > 0:
            raise UntranslatableError("select.rule: mmr1_vas reads how diverse replies are, and no step measures that")
        if rule.get("formed"):
            raise UntranslatableError("select.rule.formed: no step counts the right replies that are well-formed too")
        if "splits" in section:
            section["sides"] = section.pop("splits")
        model = section.pop("model", None)
        if self.has("rollouts"):
            first, *_ = self.students
            section["k"] = "difficulty" if model in (None, first) else f"of_{model}"
        given = dict(section.pop("vectors", None) or {})
        by = given.pop("by", None) or ("text", "image")
        encoders = self._encoders("text", "image") | {k: given.pop(k) for k in ("text", "image") if k in given}
        vectors = {**given, **{name: encoder for name, encoder in encoders.items() if name in by}}
        return [{"select": {**section, **({"vectors": vectors} if vectors else {})}}]

    def preference(self) -> Steps:
        if not self.has("preference"):
            return []
        section = self.section("preference")
        if "max_pairs" in section:
            raise UntranslatableError("preference.max_pairs: pairs are capped for each prompt, not in all")
        found = {"of": "trace" if self.pairs_traces else "rollout", "chosen": "correct", "rejected": "NOT correct",
                 "cap": section.get("per_prompt", 1), "once": True}  # fmt: skip
        found |= {"across_models": section["across_models"]} if "across_models" in section else {}
        return [{"pair": found}]

    def release(self) -> Steps:
        section, shares = self.section("release"), self.shares()
        put_as = self._put(section)
        configs: dict[str, Section] = {}
        if self.has("distill") and shares["sft"] > 0:
            configs["sft"] = {"of": "trace", **({"columns": ["caption"]} if self.has("caption") else {})}
        configs |= {side: {"of": "sample"} for side in ("rl", "holdout") if shares[side] > 0}
        configs = {name: {**config, **put_as} for name, config in configs.items()}
        if self.has("preference"):
            sides = self.section("preference").get("splits", ["rl"])
            listed = ", ".join(f"'{side}'" for side in sides)
            configs["preference"] = {"of": "pair", "where": f"side IN ({listed})"}
            if self.pairs_traces:
                configs["preference"] |= put_as
        # A share that the recipe does not write may come to nothing: a twentieth of ten samples is none.
        allowed = {*section.pop("allow_empty", ()), *(side for side in shares if side not in self.section("split"))}
        empty = [name for name in configs if name in allowed]
        more = {**section, **({"allow_empty": empty} if empty else {}), "tags": self.tags}
        return [{"release": {**configs, **more}}]

    def _put(self, section: Section) -> Section:
        """How the prompts of all configs are put; nothing where they are put as the student was asked."""
        system, suffix = section.pop("system", None), section.pop("suffix", None)
        if system is None and suffix is None:
            return {}
        found: Section = {}
        if suffix is not None:
            found["prompt"] = "{{ question }}" + literal(suffix)
            system = self.section("rollouts").get("system") if system is None else system
        if system is not None:
            found["system"] = literal(system)
        return found


SECTIONS = {
    "caption": Translation.caption,
    "distill": Translation.distill,
    "verify": Translation.verified,
    "judge": Translation.judge,
    "dropped": Translation.dropped,
    "rewrite": Translation.rewrite,
    "quality": Translation.quality,
    "traces": Translation.pick,
    "rollouts": Translation.rollouts,
    "difficulty": Translation.difficulty,
    "checks": Translation.checks,
    "check_rules": lambda self: list[Any](),  # of the step `checks`
    "dedup": Translation.dedup,
    "decontaminate": Translation.decontaminate,
    "signals": Translation.signals,
    "split": Translation.split,
    "select": Translation.select,
    "preference": Translation.preference,
    "release": Translation.release,
}
"""The sections of an old recipe, in the order of the steps that they become."""


def fields(prompt: str) -> list[str]:
    """The fields of an old prompt."""
    return [name for _, name, _, _ in Formatter().parse(prompt) if name is not None]


def template(prompt: str, *, formatted: bool = True) -> str:
    """An old prompt as a template of the same words; one that was never `formatted` has no fields."""
    if not formatted:
        return literal(prompt)
    return "".join(
        literal(text) + (f"{{{{ {SHOWN[field]} }}}}" if field else "")
        for text, field, _, _ in Formatter().parse(prompt)
    )


def literal(text: str) -> str:
    """A text as a template of just that text."""
    return f"{{% raw %}}{text}{{% endraw %}}" if re.search(r"\{", text) else text


def put(section: Section, names: Iterable[str] = ("system", "prompt")) -> Section:
    """A section with its prompts as templates."""
    found = dict(section)
    for name in names:
        if found.get(name):
            found[name] = template(
                found[name], formatted=name == "prompt" and "reasoning" in fields_or_none(found[name])
            )
    return found


def fields_or_none(prompt: str) -> list[str]:
    """The fields of an old prompt; none of one that was never formatted."""
    try:
        return fields(prompt)
    except ValueError:
        return []


def shot(given: Section, names: Iterable[str]) -> Section:
    """A worked example, with a value for each field of the prompt."""
    values = {"caption": given.get("description", ""), "question": given["question"], "answer": given.get("answer", "")}
    return {name: values[name] for name in dict.fromkeys(names)} | {"reply": given["reply"]}
