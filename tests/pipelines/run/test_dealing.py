"""Every row comes to the hand of its bucket, in order, however rows came and whether memory held them."""

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.run import dealing
from pipelines.run.dealing import Dealer, hand
from pipelines.store.memory import Memory
from pipelines.store.step_tables import BYTES_A_BUCKET, bucket_of, buckets_for
from schemas.ids import content_id

SCHEMA = pl.Schema({"id": pl.String(), "said": pl.List(pl.Struct({"text": pl.String()}))})


class Little(Memory):
    """A budget that holds two rows."""

    @property
    def piece(self) -> int:
        return 64


def rows(numbers: list[int]) -> pl.DataFrame:
    found = [(content_id(n), [{"text": f"{n}"}] * (n % 3)) for n in numbers]
    return pl.DataFrame(found, schema=SCHEMA, orient="row")


@given(
    st.lists(st.lists(st.integers(0, 10_000), unique=True, max_size=9), max_size=6),
    st.sampled_from([1, 2, 4, 8, 32]),
    st.sampled_from([Memory(), Little()]),
)
def test_every_row_comes_to_its_bucket_in_order(pieces: list[list[int]], buckets: int, memory: Memory) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(dealing, "GROUPS", 4)
        place = Path(folder) / "rows"
        dealer = Dealer(place, memory)
        seen = set[int]()
        every = rows([])
        for piece in pieces:
            new = rows([n for n in piece if n not in seen])
            seen.update(piece)
            every = pl.concat([every, new])
            dealer.add(new)
        hands = dealer.end(buckets)
        assert len(hands) == min(4, buckets)
        assert len(list(place.iterdir())) <= 4
        dealt = dict(
            found for number, files in enumerate(hands) for found in hand(place, number, files, buckets, SCHEMA)
        )
        assert set(dealt) == set(range(buckets))
        for bucket, mine in dealt.items():
            expected = every.filter(bucket_of(pl.col("id"), buckets) == bucket).sort("id")
            assert mine.schema == SCHEMA
            assert mine.equals(expected)


def test_a_file_that_is_elsewhere_is_no_bucket_without_rows(tmp_path: Path) -> None:
    dealer = Dealer(tmp_path / "rows", Memory())
    dealer.add(rows([1, 2, 3]))
    [files] = dealer.end(1)
    with pytest.raises(FileNotFoundError):
        list(hand(tmp_path / "other", 0, files, 1, SCHEMA))


def test_there_are_as_many_buckets_as_samples_need_or_as_their_bytes_do(tmp_path: Path) -> None:
    dealer = Dealer(tmp_path / "rows", Memory())
    dealer.add(rows([1, 2, 3]))
    assert dealer.size == rows([1, 2, 3]).estimated_size()
    assert [buckets_for(samples) for samples in (0, 2048, 2049, 400_000)] == [1, 1, 2, 256]
    assert [buckets_for(3, size) for size in (0, BYTES_A_BUCKET, BYTES_A_BUCKET + 1)] == [1, 1, 2]
