"""Tells a server that is away from one that is there and speaks with, or without, TLS."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress

from redis.connection import parse_url

from retraced.errors import Denied
from retraced.store.connection import Connector


async def check(connector: Connector, *, timeout_s: float = 1.0) -> None:
    """Raises `Denied` if the server would answer under the other scheme; else says nothing.

    With the wrong scheme a server closes the connection or stays silent, as one that is away does.
    """
    options = parse_url(connector.url)
    if "path" in options:
        return
    host, port = options.get("host", "localhost"), options.get("port", 6379)
    secure = connector.url.startswith("rediss://")
    spoken = False
    with suppress(OSError, TimeoutError, ssl.SSLError):
        async with asyncio.timeout(timeout_s):
            spoken = await (_speaks_plainly(host, port) if secure else _speaks_tls(host, port))
    if spoken:
        found, remedy = ("does not speak TLS", "redis") if secure else ("wants TLS", "rediss")
        raise Denied(f"{connector.safe_url}: the server {found}: use {remedy}://")


async def _speaks_plainly(host: str, port: int) -> bool:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(b"PING\r\n")
        return (await reader.read(1)) in (b"+", b"-")
    finally:
        writer.close()


async def _speaks_tls(host: str, port: int) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is said on it
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    writer.close()
    return True
