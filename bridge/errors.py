"""The errors of this system. A type exists only where a caller acts differently on it.

AmorError                      anything that a person should read
├── ConfigError                the configuration is wrong: report every mistake, exit
├── SetupError                 the machine lacks something: say what, exit
├── MigrationError             the database's schema is not what this version expects: exit
├── PayloadError               a message cannot be read: dead letter, go on
├── LaneTaken                  another process writes this lane: wait
└── ConnectorError             a business system did not take an event
    ├── TransientError         busy or away: back off, try again (look up first if it may have been taken)
    ├── CredentialsError       refused the key: refresh once, then stop the connector
    ├── BusinessError          refused this event: park its stream, tell a person
    └── UnknownOutcome         the answer never came: look up before anything is sent again
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


class AmorError(Exception):
    """Anything that a person should read: one sentence saying what is wrong, where, and what to do."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file that a person wrote, with its place.

    `line` and `column` count from 1; 0 where the place is not known. `field` is the dotted path inside the file.
    """

    file: str
    line: int
    column: int
    field: str
    message: str

    def __str__(self) -> str:
        place = self.file
        if self.line:
            place += f":{self.line}" + (f":{self.column}" if self.column else "")
        return f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"


class ConfigError(AmorError):
    """The configuration or a rule file is wrong; `problems` holds every mistake, in the order of the files."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class SetupError(AmorError):
    """The machine lacks something that is needed; the message says what and how to get it."""


class MigrationError(AmorError):
    """The database's schema is not what this version expects."""


class PayloadError(AmorError):
    """A message cannot be read. The message becomes the dead letter's reason."""


class LaneTaken(AmorError):
    """Another process holds the lane's advisory lock."""


class ConnectorError(AmorError):
    """A business system did not take an event."""


class TransientError(ConnectorError):
    """Busy or away (429, 5xx before anything happened, refused connection); `retry_after` if the system named it."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class CredentialsError(ConnectorError):
    """The key or the password was refused."""


class BusinessError(ConnectorError):
    """This event was refused for what it says (unknown product, closed period): only a person can mend it."""


class UnknownOutcome(ConnectorError):
    """The request went out and no answer came back: it may or may not have been carried out; `retry_after` if somebody named it."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)
