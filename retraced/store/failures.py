"""Translates what redis-py raises into the errors of ReTraced, in this one place."""

from __future__ import annotations

import os
import re
import ssl

import redis

from retraced.errors import (
    Denied,
    GroupMissing,
    OutOfMemory,
    ScriptFailed,
    StoreError,
    Unavailable,
    WrongType,
)

# Error replies keep their code when a script passes them on, but not at its start on Redis 6.2,
# so they are looked for anywhere in the text. The first that is found decides.
_BY_CODE: tuple[tuple[str, type[StoreError]], ...] = (
    ("NOAUTH", Denied),
    ("WRONGPASS", Denied),
    ("NOPERM", Denied),
    ("can't run this command", Denied),
    ("can't access at least one of the keys", Denied),
    ("has no permissions", Denied),
    ("OOM ", OutOfMemory),
    ("command not allowed when used memory", OutOfMemory),
    ("NOGROUP", GroupMissing),
    ("the stream key no longer exists", GroupMissing),
    ("WRONGTYPE", WrongType),
    ("LOADING", Unavailable),
    ("MASTERDOWN", Unavailable),
    ("READONLY", Unavailable),
    ("UNBLOCKED", Unavailable),
    ("BUSY ", Unavailable),
    ("TRYAGAIN", Unavailable),
    ("CLUSTERDOWN", Unavailable),
    ("MOVED ", Unavailable),
    ("ASK ", Unavailable),
    ("non local key", Unavailable),
    ("MISCONF", Unavailable),
    ("NOREPLICAS", Unavailable),
    ("max number of clients", Unavailable),
)

_CONNECTING = re.compile(r"Error (.*?) connecting to \S+?\.?(?: (.*))?", re.DOTALL)
_ERRNO = re.compile(r"\[Errno (\d+)\]")


def translate(error: Exception, safe_url: str) -> StoreError:
    """The error of ReTraced for one of redis-py; `safe_url` names the server, without password."""
    if isinstance(error, redis.AuthenticationError | redis.exceptions.NoPermissionError):
        return Denied(
            f"{safe_url} refused: {_said(error)}. Check the user, the password and its ACL."
        )
    if isinstance(error, redis.exceptions.NoScriptError):
        return ScriptFailed(f"NOSCRIPT {error}")
    if _is_tls_failure(error):
        return Denied(f"{safe_url}: TLS failed: {error}. Check the certificate and its authority.")
    named = _by_class(error) or _by_text(str(error))
    if named is not None:
        return named(f"{safe_url}: {error}")
    if isinstance(error, redis.ResponseError):
        return ScriptFailed(f"{safe_url}: {error}")
    return Unavailable(f"can't reach {safe_url}: {_said(error)}. Is it up, and the URL right?")


def missing_script(error: StoreError) -> bool:
    """Whether the server doesn't know the script (it was restarted, or its scripts flushed)."""
    return isinstance(error, ScriptFailed) and str(error).startswith("NOSCRIPT")


def _by_class(error: Exception) -> type[StoreError] | None:
    match error:
        case redis.exceptions.OutOfMemoryError():
            return OutOfMemory
        case redis.ReadOnlyError() | redis.BusyLoadingError():
            return Unavailable
        case redis.exceptions.ClusterError() | redis.exceptions.TryAgainError():
            return Unavailable
        case redis.exceptions.MovedError() | redis.exceptions.AskError():
            return Unavailable
        case _:
            return None


def _by_text(text: str) -> type[StoreError] | None:
    return next((kind for code, kind in _BY_CODE if code in text), None)


def _is_tls_failure(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError | redis.TimeoutError) and not str(error):
        return "no answer in time"
    text = str(error).rstrip(" .?") or type(error).__name__
    connecting = _CONNECTING.fullmatch(text)
    return _why(connecting[1], connecting[2] or text) if connecting else text


def _why(codes: str, text: str) -> str:
    """Why a connection failed, without the address that redis-py tells once more."""
    numbers = [codes] if codes.isdecimal() else _ERRNO.findall(codes)
    return " or ".join(dict.fromkeys(os.strerror(int(each)) for each in numbers)) or text
