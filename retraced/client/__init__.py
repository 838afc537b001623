"""Producers: add jobs to a stream, one or many, and cancel them. `App.client` is an `AsyncClient`.

An XADD is never sent twice: one that fails or times out may or may not have added its job, and
the error says which of the two is known.
"""

from retraced.client.adding import NotAllAdded
from retraced.client.asynchronous import AsyncClient
from retraced.client.blocking import Client
from retraced.client.newjob import Duration, JobOptions, NewJob

__all__ = ["AsyncClient", "Client", "Duration", "JobOptions", "NewJob", "NotAllAdded"]
