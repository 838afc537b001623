"""FILTER: what people write, and which jobs it means."""

from __future__ import annotations

from typing import Any

import pytest

from retraced.errors import UsageError
from retraced.filter import STATES, Filter, JobFacts
from retraced.store.reads.story import State

JOB = JobFacts(
    id=b"1700000000000-7",
    state="dead",
    type="mail",
    age_ms=3_600_000,
    died_ms=60_000,
    attempt=5,
    error="SMTPError: connection Refused by 10.0.0.1",
    reason="exhausted",
    worker="host-1",
    release="2026.11.2",
    fields={
        b"type": b"mail",
        b"key": b"tenant-9",
        b"source": b"web",
        b"payload": b'{"user":{"id":43,"name":"Ada"},"to":["a@b.c","d@e.f"],"amount":"12.50",'
        b'"vip":true,"note":null,"a.b":1}',
    },
)
BARE = JobFacts(id=b"5-0", fields={b"to": b"ada@example.org", b"n": b"43", b"timeout": b"5s"})


def matches(*words: str, job: JobFacts = JOB) -> bool:
    return Filter.parse(words).matches(job)


@pytest.mark.parametrize(
    "term",
    [
        "state=dead", "state!=done", "state:ea", "type=mail", "type:MAI", "type!=sms",
        "id=1700000000000-7", "id>1700000000000-6", "id<1700000000000-10", "id>1699999999999",
        "id:0000-7", "id!=1700000000000", "age>59m", "age<61m", "died>59s", "died<2m",
        "attempt=5", "attempt>4",
        "attempt<10", "attempt!=4", "attempt:5", "error:refused", "error:CONNECTION",
        'error:"connection refused"', "error:'connection refused'", "error:connection refused",
        "reason=exhausted", "worker:host", "release=2026.11.2", "release>2026.11.1", "key=tenant-9",
        "header.source=web", "header.source:WE", "payload.user.id=43", "payload.user.id>42",
        "payload.user.id<100", "payload.user.name=Ada", "payload.to.1=d@e.f", "payload.to:d@e",
        "payload.amount=12.5", "payload.amount>9", "payload.vip=true", "payload.note=null",
        'payload:"user":{"id":43', "payload.user:ada", "payload.a.b=1", "payload.missing!=1",
        "header.none!=x", 'payload.user={"id":43,"name":"Ada"}',
    ],
)  # fmt: skip
def test_a_term_that_is_true(term: str) -> None:
    assert matches(term)


@pytest.mark.parametrize(
    "term",
    [
        "state=done", "state!=dead", "type=Mail", "type!=mail", "id=1700000000000",
        "id>1700000000000-7", "id<1700000000000-7", "age>1h", "age<1h", "died>1m", "died<1m",
        "attempt>5", "attempt<5",
        "error:timeout", "error=", "worker=host", "key=tenant", "header.payload:user",
        "header.type=mail", "header.none=x", "header.none:x", "payload.user.id=44",
        "payload.missing=1", "payload.missing:1", "payload.missing<1", "payload.to.2=x",
        "payload.vip=1", "payload.user.id.deeper=1", "release<2026.11.2",
    ],
)  # fmt: skip
def test_a_term_that_is_false(term: str) -> None:
    assert not matches(term)


def test_a_name_with_dots_is_met_anywhere_on_a_path() -> None:
    job = JobFacts(b"1-0", fields={b"payload": b'{"a.b":{"c.d":[{"e":1}]},"a":{"b":2}}'})
    assert matches("payload.a.b.c.d.0.e=1", job=job)
    assert matches("payload.a.b.c.d.0.f!=1", job=job)
    assert matches("payload.a.b:c.d", job=job)


def test_facts_of_a_job_are_made_in_one_way() -> None:
    facts = JobFacts.of(b"1700000000000-0", kind=None, stream="mail", now_ms=1_700_000_060_000)
    assert (facts.type, facts.age_ms) == ("mail", 60_000)
    early = JobFacts.of(b"1700000060000-0", kind="send", stream="mail", now_ms=1_700_000_000_000)
    assert (early.type, early.age_ms) == ("send", 0)
    assert JobFacts.of(b"5-0", kind=None, stream="mail", now_ms=1_700_000_000_000).age_ms is None


def test_all_terms_must_hold_with_and_without_the_word() -> None:
    assert matches("type=mail", "AND", "attempt=5", "age>1m")
    assert matches("type=mail AND attempt=5 age>1m")
    assert not matches("type=mail AND attempt=4")
    assert not matches("type=mail", "attempt=4")


def test_quotes_keep_operators_and_the_word_and_together() -> None:
    [term] = Filter.parse(['error:"a=b AND \\"c\\" > d"']).terms
    assert (term.field, term.op, term.value) == ("error", ":", 'a=b AND "c" > d')


def test_a_word_without_an_operator_goes_on_with_the_value_before_it() -> None:
    first, second = Filter.parse(["error:no route to host AND type=mail"]).terms
    assert (first.value, second.value) == ("no route to host", "mail")


def test_an_empty_value_means_empty() -> None:
    assert matches("error!=")
    assert matches("error=", job=BARE)


def test_a_bare_entry_is_its_own_payload_and_has_no_headers() -> None:
    assert matches("payload.to:ada", "payload.n>42", "payload:example.org", job=BARE)
    assert not matches("header.to:ada", job=BARE)
    assert not matches("payload.timeout=5s", job=BARE)


def test_bytes_that_are_no_json_are_searched_as_text_alone() -> None:
    job = JobFacts(b"1-0", fields={b"payload": b"\xff<xml>43</xml>"})
    assert matches("payload:<xml>43", job=job)
    assert not matches("payload.xml=43", job=job)
    assert matches("payload.xml!=43", job=job)


def test_an_age_that_nobody_knows_is_neither_more_nor_less() -> None:
    assert not matches("age>0s", job=BARE)
    assert not matches("age<1d", job=BARE)


def test_only_a_dead_job_has_died_and_only_there_is_looked_for_one() -> None:
    assert not matches("died>0s", job=BARE)
    assert not matches("died<1d", job=BARE)
    wanted = Filter.parse(["died<2h"])
    assert [state for state in STATES if wanted.allows(state)] == ["dead"]


@pytest.mark.parametrize(
    ("word", "quoted"),
    [("age", "'age>10m'"), ("died", "'died>2h'"), ("attempt", "'attempt>2'"), ("Age", "'age>10m'")],
)
def test_what_a_shell_leaves_of_a_comparison_is_answered_with_the_quoted_form(
    word: str, quoted: str
) -> None:
    with pytest.raises(UsageError, match="quote the whole term") as raised:
        Filter.parse([word])
    assert str(raised.value).endswith(quoted)


def test_what_is_no_id_is_neither_more_nor_less() -> None:
    for job in (JobFacts(b""), JobFacts(b"abc\xff")):
        assert not matches("id>0-0", job=job)
        assert not matches("id<9-9", job=job)
        assert matches("id!=5-0", job=job)
    assert matches("id:abc", job=JobFacts(b"abc\xff"))


def test_no_words_make_no_filter() -> None:
    nothing = Filter.parse([])
    assert not nothing
    assert nothing.matches(BARE)
    assert nothing.fields == frozenset()


def test_it_says_what_must_be_fetched_and_which_states_can_match() -> None:
    wanted = Filter.parse(["payload.user=43", "state!=dead", "error:x"])
    assert wanted.fields == {"payload", "state", "error"}
    assert wanted.needs_body
    assert not Filter.parse(["error:x"]).needs_body
    assert not wanted.allows("dead")
    assert wanted.allows("held")


def test_the_states_are_those_of_a_story() -> None:
    assert set(STATES) == {state.value for state in State}


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("typ=mail", "did you mean type"),
        ("errors:x", "did you mean error"),
        ("headers.x=1", "did you mean header.NAME"),
        ("header=1", "did you mean header.NAME"),
        ("payload.=1", "did you mean payload.PATH"),
        ("wibble=1", "there are state, type"),
        ("state=ded", "did you mean dead"),
        ("state=running", "one of queued"),
        ("age>1", "unit"),
        ("age:1h", "'age>1h'"),
        ("age=1h", "'age>1h'"),
        ("died:1h", "'died>1h'"),
        ("died>1", "unit"),
        ("attempt=two", "whole number"),
        ("attempt>=3", "there is no >="),
        ("attempt>", "a value is missing"),
        ("type>mail", "has no order"),
        ("id=abc", "1795501170340-0"),
        ("error:", "error= means"),
        ("refused", "neither a job id nor a term"),
        ("OR", "joined by AND"),
        ("type=a AND not", "joined by AND"),
        ('error:"a b" c', "neither a job id nor a term"),
    ],
)
def test_what_cant_be_meant_is_refused_with_the_remedy(word: str, says: str) -> None:
    with pytest.raises(UsageError, match=says.replace("(", r"\(")):
        Filter.parse([word])


@pytest.mark.parametrize("value", [b"[1,2", b"[]", b"null", b"3", b'"text"', b"", b"[[[1]]]"])
def test_any_payload_can_be_looked_at(value: bytes) -> None:
    job = JobFacts(b"1-0", fields={b"payload": value})
    for term in ("payload.a=1", "payload.0.0.0=1", "payload:x", "payload.a!=1"):
        answer: Any = matches(term, job=job)
        assert isinstance(answer, bool)


@pytest.mark.parametrize("levels", [300, 1000])
def test_a_payload_that_is_nested_deeply_is_looked_at_as_any_other(levels: int) -> None:
    nested = b'{"campaign":' + b"[" * levels + b'7,"x"' + b"]" * levels + b"}"
    job = JobFacts(id=b"1-0", fields={b"payload": nested})
    assert matches('payload.campaign:[7,"x"]', job=job)
    assert not matches("payload.campaign:y", "payload.campaign>5", job=job)
