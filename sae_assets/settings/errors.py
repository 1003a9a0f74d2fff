"""The one place that says how a mistake of the user is reported: one sentence with what, where and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that the user can mend. Its text is one sentence; no traceback is shown: exit code 2, a `Failure`."""

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled as it is, and not made again out of its text: each kind of error takes other arguments."""
        return _as_it_was, (type(self), self.args), self.__dict__


class NotFoundError(UserError):
    """The user named something that does not exist."""


class UnreachableError(UserError):
    """A server that is needed does not answer."""


def _as_it_was(kind: type[UserError], args: tuple[object, ...]) -> UserError:
    error = kind.__new__(kind, *args)
    error.args = args
    return error


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, or None where nothing is known."""
    candidates = sorted(known)
    matches = difflib.get_close_matches(name, candidates, n=1, cutoff=0.0)
    return matches[0] if matches else None


def unknown(kind: str, name: str, known: Iterable[str], *, where: str = "") -> NotFoundError:
    """The error for a name that does not exist: `unknown feature set 'tpo' in x.toml; the nearest is 'top'`."""
    closest = nearest(name, known)
    place = f" in {where}" if where else ""
    advice = f"the nearest is {closest!r}" if closest is not None else "none is known"
    return NotFoundError(f"Unknown {kind} {name!r}{place}; {advice}.")
