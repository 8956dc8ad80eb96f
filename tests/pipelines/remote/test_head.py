"""Leases: one holds, the others hear of it; who was away for too long cannot publish."""

import threading
from typing import Any

import pytest

from pipelines.remote import head as head_module
from pipelines.remote.address import parsed
from pipelines.remote.head import Head, HeldError
from pipelines.remote.objects import Objects
from schemas.errors import StoreError

NAME = "heads/builds/r.json"


@pytest.fixture
def objects(address: str, monkeypatch: pytest.MonkeyPatch) -> Objects:
    for name, seconds in {"BEAT": 0.2, "LEASE": 1.0, "LOOK_SECONDS": 0.05}.items():
        monkeypatch.setattr(head_module, name, seconds)
    return Objects(parsed(address))


def forgotten(head: Head) -> Head:
    """A head whose holder no longer beats, as after a crash of its machine."""
    head._ended.set()
    head_module._HELD.clear()
    return head


def test_one_holds_it_and_the_next_takes_it_when_it_is_free(objects: Objects) -> None:
    first, second = Head(objects, NAME), Head(objects, NAME)
    first.take("a-1-x", "first")
    head_module._HELD.clear()  # as another process sees it
    with pytest.raises(HeldError, match="a-1-x"):
        second.take("b-2-y", "second")
    first.publish("record")
    first.release()
    second.take("b-2-y", "second")
    assert second.record == "record"
    second.release()


def test_a_lease_that_is_over_is_taken_and_its_holder_cannot_publish(objects: Objects) -> None:
    first, second = Head(objects, NAME), Head(objects, NAME)
    first.take("a-1-x", "first")
    first.publish("one")
    forgotten(first)
    second.take("b-2-y", "second")
    with pytest.raises(StoreError, match="taken over"):
        first.publish("two")
    second.publish("three")
    with pytest.raises(StoreError, match="taken over"):
        first.publish("two")
    first.release()
    assert second.read().record == "three"
    assert second.read().owner == "b-2-y"
    second.release()


def test_an_owner_that_is_known_to_be_dead_is_not_waited_for(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten_head = Head(objects, NAME)
    forgotten_head.take("a-1-x", "first")
    forgotten(forgotten_head)
    monkeypatch.setattr(head_module.time, "sleep", lambda seconds: pytest.fail("it waited"))
    second = Head(objects, NAME, lambda owner: owner == "a-1-x")
    second.take("b-2-y", "second")
    second.release()


def test_of_many_who_come_at_once_one_gets_it(objects: Objects) -> None:
    got, refused = [], []

    def take(number: int) -> None:
        head = Head(objects, NAME)
        try:
            head.take(f"a-{number}-x", str(number))
            got.append(head)
        except HeldError:
            refused.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    assert len(refused) == 5
    got[0].release()


def test_a_write_whose_answer_was_lost_is_known_as_ones_own(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    head, swap = Head(objects, NAME), objects.swap
    head.take("a-1-x", "first")
    head._ended.set()

    def lost(name: str, data: bytes, etag: str | None) -> str:
        swap(name, data, etag)  # it arrives, and the client, which heard nothing, tries again
        return swap(name, data, etag)

    monkeypatch.setattr(objects, "swap", lost)
    with head._guard:
        monkeypatch.setattr(objects, "swap", lost)
        head.publish("one")
    monkeypatch.setattr(objects, "swap", swap)
    head.publish("two")
    assert head.read().record == "two"
    head.release()


def test_whoever_takes_it_and_hears_nothing_knows_at_once_that_it_is_his(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Objects._call

    def lost(self: Objects, method: str, **options: Any) -> Any:
        if method == "put_object":  # it arrives, and the client, which heard nothing, tries again
            call(self, method, **options)
        return call(self, method, **options)

    monkeypatch.setattr(Objects, "_call", lost)
    monkeypatch.setattr(head_module.time, "sleep", lambda seconds: pytest.fail("it waited"))
    head = Head(objects, NAME)
    head.take("a-1-x", "first")
    head.publish("one")
    head.release()
    assert head.read().owner is None
    assert head.read().record == "one"


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b'{"owner": 1, "token": "", "beat": 0, "record": null}', b'{"owner": null, "token": "", "beat": "1"}',
     b'{"owner": null, "token": "", "beat": "1", "record": null}'],
)  # fmt: skip
def test_a_damaged_head_is_a_sentence_that_names_it(objects: Objects, data: bytes) -> None:
    objects.put(NAME, data)
    with pytest.raises(StoreError, match=rf"{NAME} in s3://.* is damaged: .* Delete that object"):
        Head(objects, NAME).take("a-1-x", "first")


def test_a_holder_whose_head_is_deleted_has_lost_it(objects: Objects) -> None:
    head = Head(objects, NAME)
    head.take("a-1-x", "first")
    head._ended.set()
    objects.delete([NAME])
    with pytest.raises(StoreError, match="taken over"):
        head.publish("one")
    head.release()
    assert head.read().record is None
