"""Which server a client speaks to."""

from __future__ import annotations

import os
from pathlib import Path

from retraced import config
from retraced.client.newjob import Duration
from retraced.durations import duration_ms
from retraced.errors import ConfigError
from retraced.store.connection import Connector


def connector_for(url: str | None, timeout: Duration) -> Connector:
    return Connector(_url(url), timeout_s=duration_ms(timeout, name="timeout") / 1000)


def _url(url: str | None) -> str:
    named = config.named_server(
        url, os.environ, file_url=config.read_settings(Path.cwd()).get("url")
    )
    if named is None:
        return config.LOCAL_URL
    if config.is_embedded(named.url):
        raise ConfigError(
            "a client can't start the embedded server: run `retraced server start`, then give the "
            "client the URL that `retraced server url` prints"
        )
    return named.url
