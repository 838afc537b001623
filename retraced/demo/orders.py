"""The demo's jobs, and its producers: programs that know XADD, a socket and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

STREAM = "orders"
BILLING, MAIL = "billing", "mail"
GIFT_DELAY_MS = 3000
PLAIN = 50

_NAMES = ("ada", "bob", "cleo", "dan", "eve", "finn", "gus", "hope")


@dataclass(frozen=True, slots=True)
class Order:
    """One job. `dies`: the reason for which a group is to bury it, by group; absent: it succeeds.

    `mended`: it is to be put back after its death, and to succeed then.
    """

    number: int
    fields: Mapping[str, str]
    dies: Mapping[str, str] = field(default_factory=dict)
    mended: bool = False
    delay_ms: int = 0

    @property
    def name(self) -> str:
        return f"{self.fields.get('type', 'order')} {self.number}"


def all_orders() -> list[Order]:
    """The same mixture each time: mostly plain ones, and one or a few of each kind of trouble."""
    troubles = [_label, _slow, _gift, _busy, _foreign, _slow, _gift, _forged, _busy, _muddled]
    troubles += [_foreign, _gift, _busy, _nowhere, _slow, _gift]
    plain = [_plain] * PLAIN
    makers = plain[:6]
    for place, maker in enumerate(troubles):
        makers += [maker, *plain[6 + 3 * place : 9 + 3 * place]]
    orders = [maker(number) for number, maker in enumerate(makers, start=1)]
    return _with_mended(orders)


def _with_mended(orders: Sequence[Order]) -> list[Order]:
    """The first one that dies of patience is the one that a person puts back."""
    first = next(order for order in orders if order.dies.get(BILLING) == "exhausted")
    mended = Order(first.number, first.fields, first.dies, mended=True)
    return [mended if order is first else order for order in orders]


def _plain(number: int) -> Order:
    return Order(number, _bare(number))


def _slow(number: int) -> Order:
    return Order(number, _bare(number, card="slow"))


def _foreign(number: int) -> Order:
    return Order(number, _bare(number, card="foreign"), {BILLING: "exhausted"})


def _forged(number: int) -> Order:
    return Order(number, _bare(number, card="forged"), {BILLING: "rejected"})


def _busy(number: int) -> Order:
    return Order(number, _bare(number, host="busy.example"))


def _nowhere(number: int) -> Order:
    return Order(number, _bare(number, host="nowhere.example"), {MAIL: "rejected"})


def _muddled(number: int) -> Order:
    fields = _bare(number) | {"delay": "soon"}
    return Order(number, fields, {BILLING: "invalid", MAIL: "invalid"})


def _gift(number: int) -> Order:
    fields = {"type": "gift", "payload": _payload(number), "delay": f"{GIFT_DELAY_MS}ms"}
    return Order(number, fields, delay_ms=GIFT_DELAY_MS)


def _label(number: int) -> Order:
    fields = {"type": "label", "payload": _payload(number), "backoff": "fixed:300ms"}
    return Order(number, fields, {BILLING: "poison"})


def _bare(number: int, *, card: str = "plain", host: str = "example.org") -> dict[str, str]:
    """An entry without type and payload: its fields are the job."""
    to = f"{_NAMES[number % len(_NAMES)]}@{host}"
    return {"order": str(number), "amount": f"{number % 9 + 1}.50", "card": card, "to": to}


def _payload(number: int) -> str:
    to = f"{_NAMES[number % len(_NAMES)]}@example.org"
    return orjson.dumps({"order": number, "to": to}).decode()


class Producer:
    """Adds orders at its own pace over a socket of its own."""

    def __init__(self, host: str, port: int, *, pause_s: float) -> None:
        self._host, self._port = host, port
        self._pause_s = pause_s

    async def add(self, orders: Sequence[Order], added: dict[str, Order]) -> None:
        """Adds them all, and enters each under the id that XADD answered."""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            for order in orders:
                writer.write(xadd(STREAM, order.fields))
                added[await _id(reader)] = order
                await asyncio.sleep(self._pause_s)
        finally:
            writer.close()


def xadd(stream: str, fields: Mapping[str, str]) -> bytes:
    """`XADD stream * name value ...` as Redis's protocol writes a command."""
    words = ["XADD", stream, "*", *(part for pair in fields.items() for part in pair)]
    command = b"*%d\r\n" % len(words)
    for word in words:
        raw = word.encode()
        command += b"$%d\r\n%b\r\n" % (len(raw), raw)
    return command


async def _id(reader: asyncio.StreamReader) -> str:
    """The id in the reply, `$15\\r\\n1795501170340-0\\r\\n`."""
    head = await reader.readline()
    if not head.startswith(b"$"):
        raise ConnectionError(f"XADD answered {head.decode(errors='replace').strip()!r}")
    return (await reader.readline()).strip().decode()
