"""The errors that the service raises and explains, to a client or to an operator.

HeliscoreError
├── ApiError                 an error response; each class knows its HTTP status
│   ├── InvalidInput         400  one or more errors in what the client sent, each with its place
│   ├── AnswerTooLarge       400  the result is larger than one response may be
│   ├── Unauthenticated      401  no API key, or an unknown, revoked or expired one
│   ├── Forbidden            403  the API key lacks the permission
│   ├── NotFound             404
│   ├── MethodNotAllowed     405  knows the methods that are allowed
│   ├── TooSlow              408
│   ├── Conflict             409  an Idempotency-Key of another call, a human's score that stays, a count that
│   │                             is not what a deletion expects
│   ├── BodyTooLarge         413
│   ├── TooManyRequests      429  knows when to try again
│   │   ├── TooManyFailures       of calls with keys that are not valid
│   │   └── TooManyListeners      to an organization's events
│   ├── Defect               500  a bug of the service; the log says where
│   ├── Unavailable          503  the service cannot answer now; the same request may succeed later
│   └── ProviderFailed       502  no answer of a provider, or (ProviderTooSlow, 504) not in time
├── NotMeasurable            why a monitor cannot be evaluated: its history and its answers say so
├── ServiceFailed            why a running service ended by itself: one line, exit status 1
├── NotAsked                 why a command has no answer of a service: one line, exit status 3
└── StartError               why the service cannot start or a command cannot run: one line, exit status 1
    ├── InvalidSettings
    ├── DataFolderInUse
    ├── DatabaseAway         the same start may succeed later, and a service waits for that
    ├── EmbeddedServerError
    ├── MigrationError
    └── BackupError
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import msgspec

from heliscore.domain.messages import without_keys


class FieldError(msgspec.Struct, frozen=True):
    """One thing wrong with what a client sent."""

    path: str
    """The place as a dotted path: `scores.accuracy`. Empty for the body as a whole."""

    message: str
    """What was expected and what was sent."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class HeliscoreError(Exception):
    """The root of the tree; `str()` is the explanation."""

    exit_status = 1
    """Of a command that ends with it."""


class ApiError(HeliscoreError):
    """A request gets an error response; `str()` is safe to show to the client."""

    status = 500


class InvalidInput(ApiError):
    """Nothing was changed; `errors` says why."""

    status = 400

    def __init__(self, errors: Sequence[FieldError], found: int | None = None) -> None:
        """`found` is the number of errors, if not all of them are given."""
        more = (found or len(errors)) - 1
        super().__init__(f"{errors[0]} (and {more} more)" if more else str(errors[0]))
        self.errors = tuple(errors)
        self._found = found

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        """An error may come from another process."""
        return type(self), (self.errors, self._found)


class Unauthenticated(ApiError):
    status = 401


class Forbidden(ApiError):
    status = 403


class NotFound(ApiError):
    status = 404

    def __init__(self, message: str) -> None:
        """Keys in the message are left out: answers end in other programs' logs."""
        super().__init__(without_keys(message))


class MethodNotAllowed(ApiError):
    status = 405

    def __init__(self, allowed: Sequence[str]) -> None:
        self.allowed = ", ".join(sorted(allowed))
        super().__init__(f"method not allowed here, use {self.allowed}")


class AnswerTooLarge(ApiError):
    status = 400

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"the requests found hold more than {limit_bytes} bytes of JSON, ask for fewer on a page"
        )


class TooSlow(ApiError):
    """The client sent nothing of use for too long."""

    status = 408


class Conflict(ApiError):
    status = 409


class BodyTooLarge(ApiError):
    status = 413

    def __init__(self, limit_bytes: int, way_out: str = "") -> None:
        super().__init__(f"the body is larger than the limit of {limit_bytes} bytes{way_out}")


class TooManyRequests(ApiError):
    status = 429

    def __init__(self, limit: int, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(
            f"more than {limit} calls with this key in a minute, please try again in {retry_after_s} s"
        )


class TooManyFailures(TooManyRequests):
    def __init__(self, limit: int, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        ApiError.__init__(
            self,
            f"more than {limit} calls from this address in a minute had a key that is not valid, "
            f"please try again in {retry_after_s} s",
        )


class TooManyListeners(TooManyRequests):
    def __init__(self, limit: int, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        ApiError.__init__(
            self,
            f"more than {limit} clients of this organization listen to events here, "
            f"please try again in {retry_after_s} s",
        )


class Unavailable(ApiError):
    status = 503
    retry_after_s = 1


class ProviderFailed(ApiError):
    """A call was forwarded and got no answer; it is logged."""

    status = 502

    def __init__(self, message: str, request_id: str) -> None:
        super().__init__(message)
        self.request_id = request_id


class ProviderTooSlow(ProviderFailed):
    status = 504


class Defect(ApiError):
    status = 500


class NotMeasurable(HeliscoreError):
    """The scores are not such as a monitor expects."""


class ServiceFailed(HeliscoreError):
    """The service ended although nobody stopped it; the log says why."""


class NotAsked(HeliscoreError):
    """Neither pass nor fail: what a service could not be asked, or did not do."""

    exit_status = 3


class StartError(HeliscoreError):
    """The service cannot start or the command cannot run; `str()` is the one line an operator reads."""


class InvalidSettings(StartError):
    """A `HELISCORE_*` variable is unknown or malformed."""


class DataFolderInUse(StartError):
    """Another service owns the data folder."""


class DatabaseAway(StartError):
    """The database cannot be reached or used just now; the same start may succeed later."""


class EmbeddedServerError(StartError):
    """The embedded PostgreSQL could not be made or started."""


class MigrationError(StartError):
    """The database's schema and ours do not fit together."""


class BackupError(StartError):
    """A backup could not be made or restored."""
