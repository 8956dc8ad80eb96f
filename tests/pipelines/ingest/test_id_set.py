"""The set of seen ids agrees with Python's own set, in any order and any batches."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.ingest.id_set import IdSet
from schemas.ids import hash_text

_IDS = st.integers(0, 40).map(lambda number: hash_text(str(number)))


@settings(deadline=None)
@given(batches=st.lists(st.lists(_IDS, max_size=30), max_size=12))
def test_agrees_with_a_plain_set(batches: list[list[str]]) -> None:
    seen, known = IdSet(), set[str]()
    for batch in batches:
        expected = []
        for id_ in batch:
            expected.append(id_ not in known)
            known.add(id_)
        assert seen.add(batch) == expected


def test_ids_that_end_in_zero_bytes_are_told_apart() -> None:
    short, long = "ab" + "00" * 15, "ab" + "00" * 14 + "01"
    assert IdSet().add([short, long, short]) == [True, True, False]
