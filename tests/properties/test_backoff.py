"""The backoff grammar round trips, and its delays keep their bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from retraced.backoff import Backoff, Kind
from retraced.durations import TEN_YEARS_MS
from retraced.errors import InvalidEntry

spread = st.floats(0, 1, exclude_max=True)
hundredths = st.integers(0, 10_000).map(lambda number: number / 100)


@st.composite
def backoffs(draw: st.DrawFn) -> Backoff:
    base = draw(st.integers(0, TEN_YEARS_MS))
    return Backoff(
        kind=draw(st.sampled_from(Kind)),
        base_ms=base,
        max_ms=draw(st.none() | st.integers(base, TEN_YEARS_MS)),
        factor=draw(st.integers(100, 100_000).map(lambda number: number / 100)),
        jitter_percent=draw(hundredths),
        immediate=draw(st.integers(0, 1_000)),
    )


@given(backoffs())
def test_every_backoff_is_read_back_from_its_spec(backoff: Backoff) -> None:
    assert Backoff.parse(str(backoff)) == backoff


def part(lead: str, numbers: list[str], trail: str = "") -> st.SearchStrategy[str]:
    return st.sampled_from(["", *(f"{lead}{number}{trail}" for number in numbers)])


@given(
    tier=part("immediate:", ["0", "2", "007", "1000"], ","),
    kind=st.sampled_from(Kind),
    base=st.integers(0, 10**8),
    rest=st.tuples(
        part("..", ["10d", "1000000000", "11000d"]),
        part("x", ["1", "2", "2.0", "1.5", "1000", "03.250"]),
        part("~", ["0", "20", "7.5", "100"], "%"),
    ),
)
def test_every_sentence_of_the_grammar_is_read(
    tier: str, kind: Kind, base: int, rest: tuple[str, str, str]
) -> None:
    limit, factor, jitter = rest
    backoff = Backoff.parse(f"{tier}{kind}:{base}{limit}{factor}{jitter}")
    assert (backoff.kind, backoff.base_ms) == (kind, base)
    assert backoff.immediate == int(tier[10:-1] or 0)
    assert (backoff.max_ms is None) == (limit == "")
    assert backoff.factor == float(factor[1:] or 2)
    assert backoff.jitter_percent == float(jitter[1:-1] or 20)
    assert Backoff.parse(str(backoff)) == backoff


@given(backoffs(), st.integers(1, 3_000), spread)
def test_a_delay_keeps_its_bounds(backoff: Backoff, failed: int, random: float) -> None:
    delay = backoff.delay_ms(failed, lambda: random)
    assert isinstance(delay, int)
    if failed <= backoff.immediate:
        assert delay == 0
        return
    most = TEN_YEARS_MS if backoff.max_ms is None else backoff.max_ms
    assert 0 <= delay <= min(most * (1 + backoff.jitter_percent / 100) + 1, TEN_YEARS_MS)
    assert delay >= backoff.base_ms * (1 - backoff.jitter_percent / 100) - 1


@given(backoffs(), st.integers(1, 1_500))
def test_without_jitter_delays_never_shrink(backoff: Backoff, failed: int) -> None:
    middle = [backoff.delay_ms(number, lambda: 0.5) for number in (failed, failed + 1)]
    assert middle == sorted(middle)


@given(st.integers(0, 20), st.integers(1, 60_000), spread)
def test_the_three_tier_form_is_immediate_then_the_series_from_its_start(
    immediate: int, base: int, random: float
) -> None:
    tiers = Backoff.parse(f"immediate:{immediate},exponential:{base}..5m")
    plain = Backoff.parse(f"exponential:{base}..5m")
    delays = [tiers.delay_ms(failed, lambda: random) for failed in range(1, immediate + 6)]
    series = [plain.delay_ms(failed, lambda: random) for failed in range(1, 6)]
    assert delays == [0] * immediate + series


def parsed(spec: str) -> Backoff | InvalidEntry:
    try:
        return Backoff.parse(spec, field="f")
    except InvalidEntry as error:
        return error


@given(st.text() | st.text("immediate:2,exponential1s..5mx~% \x00"))
def test_any_other_text_names_its_field(text: str) -> None:
    found = parsed(text)
    if isinstance(found, InvalidEntry):
        assert found.field == "f"
    else:
        assert parsed(str(found)) == found
