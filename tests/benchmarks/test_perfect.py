"""The makespan that benchmarks compare the driver with."""

from loopback import Load
from perfect import perfect

NEVER = float("inf")


class Fixed(Load):
    """Prompts that say how many seconds they take, and which of them fail at first."""

    def seconds(self, content: str) -> float:
        return float(content.partition(" ")[0])

    def fault(self, content: str, attempt: int) -> str | None:  # type: ignore[override]
        return content.partition(" ")[2] or None if not attempt else None


def makespan(*contents: str, servers: int = 1, each: int = 1, **away: tuple[float, float]) -> float:
    outages = {int(name[1:]): outage for name, outage in away.items()}
    return perfect(contents, Fixed(), servers, each, outages)


def test_the_next_request_goes_to_the_first_free_place() -> None:
    assert makespan("3", "2", "2", each=2) == 4
    assert makespan("3", "2", "2", servers=2) == 4
    assert makespan("3", "2", "2") == 7


def test_what_fails_is_asked_again_first() -> None:
    assert makespan("3 error", "2") == makespan("3 busy", "2") == 5
    assert makespan("3 cut", "2") == 1.5 + 3 + 2
    assert makespan("3 garbage", "2") == 3 + 3 + 2


def test_what_a_dying_server_held_is_lost_and_it_is_asked_again_when_it_is_back() -> None:
    assert makespan("4", s0=(1, 2)) == 6
    assert makespan("4", "4", servers=2, s0=(1, NEVER)) == 8
    assert makespan("4", "4", "1", servers=2, s0=(1, 3)) == 7
