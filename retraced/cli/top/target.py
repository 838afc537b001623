"""What a row of `top` stands for: a group, a worker or a job of a group."""

from __future__ import annotations

from dataclasses import dataclass

from retraced.keys import Keys


@dataclass(frozen=True, slots=True)
class Target:
    """A group; with `job` a job in it, else with `consumer` a worker of it.

    `dead`: the job is a dead letter; `invalid`: buried as such.
    """

    keys: Keys
    job: bytes = b""
    consumer: bytes = b""
    dead: bool = False
    invalid: bool = False

    @property
    def where(self) -> str:
        """Group and stream, for sentences."""
        return f"group {self.keys.group_name} of {self.keys.stream_name}"
