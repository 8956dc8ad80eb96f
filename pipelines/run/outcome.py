"""What one step did, over all the buckets that it worked on, and the record that is made of it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pipelines.compiler.pipeline import Step
from pipelines.run.asking import Asking
from pipelines.run.build import Build
from pipelines.run.ends import Ends, cut_off
from pipelines.run.losses import losses
from pipelines.run.receipt import Receipt
from schemas.errors import StepError


@dataclass
class Outcome:
    """The records of a step's buckets, what it keeps beside its rows (the content of each table by its name; the size and
    the hash of each file), and notes."""

    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    files: dict[str, list[Any]] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)

    def record(
        self, build: Build, step: Step, fingerprint: str, asking: Asking | None, ends: Ends, seconds: float
    ) -> dict[str, Any]:
        """The step's record. Raises StepError where it asked and all of its requests failed, for that is a wrong recipe."""
        parts = list(self.parts.values())
        dropped: Counter[str] = Counter()
        notes: Counter[str] = Counter()
        for found in parts:
            dropped.update(found["dropped"])
            notes.update(found["notes"])
        record: dict[str, Any] = {
            "step": step.name,
            "type": step.type.name,
            "unit": step.unit,
            "of": step.node.unit,
            "makes": step.makes is not None,
            "fingerprint": fingerprint,
            **{fact: sum(found[fact] for found in parts) for fact in ("in", "passed", "undecided", "gone", "kept")},
            "dropped": dict(sorted(dropped.items(), key=lambda pair: (-pair[1], pair[0]))),
            "seconds": round(seconds, 3),
            "run": build.run,
            "notes": dict(notes) or dict(self.notes),
            "buckets": self.parts,
            "tables": self.tables,
            "files": self.files,
        }
        record["warnings"] = losses(step.type, record)
        if asking is not None:
            self._put_answers(step, record, asking, ends)
        return record

    def _put_answers(self, step: Step, record: dict[str, Any], asking: Asking, ends: Ends) -> None:
        left = sum(receipt.unanswered + receipt.again for receipt in asking.receipts.values())
        for found in self.parts.values():
            found["unanswered"] = left
        totals = ends.totals()
        record["warnings"] += cut_off(step, totals)
        record["asked"] = {model: _cost(receipt) for model, receipt in asking.receipts.items()}
        if not record["kept"] and totals and not any(every for _, every in totals.values()):
            words = f" The last error: {ends.last_error}" if ends.last_error else ""
            raise StepError(
                f"Step '{step.name}' got no answer: all of its {record['in']:,} rows' requests failed.{words}"
            )


def _cost(receipt: Receipt) -> dict[str, Any]:
    facts = ("samples", "errors", "truncated", "retries", "prompt_tokens", "completion_tokens")
    cost = {fact: getattr(receipt, fact) for fact in facts} | {"seconds": round(receipt.seconds, 3)}
    cost |= {"refused": receipt.again + receipt.final, "terms": receipt.terms}
    return cost | ({"cache": receipt.cache._asdict()} if any(receipt.cache) else {})
