"""What is never shown: passwords, keys and tokens, told by the name that they stand under or by how they look.

Only what is shown is masked. The job itself gets what it was given; so send a reference to a secret rather than the
secret. MASK_NAMES and MASK_PATTERNS add to the rules.
"""

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from actors import broker
from services.callers import Caller
from settings import settings

MASK = "********"

# Anywhere in a name, whatever separates its words ...
_WITHIN = (
    "password", "passwd", "passphrase", "secretkey", "clientsecret", "apikey", "accesskey", "privatekey", "signingkey",
    "encryptionkey", "credential", "authorization", "cookie", "sessionid", "cardnumber",
)  # fmt: skip
# ... or as one of its words.
_WORDS = frozenset({"secret", "secrets", "token", "pwd", "auth", "jwt", "bearer", "otp", "cvv", "cvc", "ssn"})
# "max_tokens" is a number, and no secret.
_WORDS_OF_TEXT = frozenset({"tokens"})

# How secrets look, wherever they stand.
_LOOKS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.*?-----END [A-Z ]*PRIVATE KEY-----|.*)",
    r"\beyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*",  # JSON Web Token
    r"\bcb_[a-z0-9]{6,}_[\w-]{16,}",  # our own keys
    r"\bsk[-_][\w-]{16,}",
    r"\bgh[oprsu]_\w{20,}",
    r"\bgithub_pat_\w{20,}",
    r"\bglpat-[\w-]{16,}",
    r"\bAKIA[0-9A-Z]{16}\b",
    r"\bAIza[\w-]{30,}",
    r"\bxox[abeprs]-[\w-]{10,}",
    r"\bSG\.[\w-]{16,}\.[\w-]{16,}",
    r"\bwhs(?:ec|k)_[\w+/=-]{16,}",
)
# How they stand in a text: what is kept, and the secret after it.
_AFTER = re.compile(
    r"""(?ix) (
        \b (?:bearer|basic) [ ]+ (?=[\w.~+/=-]{8})
      | :// [^\s/:@'"]* : (?=[^\s/@'"]+@)
      | \b [\w-]*? (?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key)
        ["']? \s* [:=] \s* (?:(?:bearer|basic) [ ]+)?
    )
    (?: "[^"\n]*" | '[^'\n]*' | (?<=[:]) [^\s/@'"]+ (?=@) | [^\s,;&"'(){}\[\]]+ )
    """
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")


class Masking:
    """The rules, with those that are added: more names, more patterns (regular expressions)."""

    def __init__(self, names: Iterable[str] = (), patterns: Iterable[str] = ()) -> None:
        self._names = frozenset(_joined(name) for name in names)
        self._looks = re.compile("|".join(f"(?:{pattern})" for pattern in (*_LOOKS, *patterns)), re.DOTALL)

    def value(self, value: Any, name: str = "") -> Any:
        """A JSON value as it may be shown, under that name."""
        if value is None or isinstance(value, bool):
            return value
        if name and self._is_secret(name, value):
            return MASK
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.value(item, str(key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value

    def text(self, text: str) -> str:
        """A text as it may be shown: a log line, an error, a traceback."""
        return _AFTER.sub(rf"\1{MASK}", self._looks.sub(MASK, text))

    def lines(self, text: str) -> list[str]:
        """The lines of a program as they may be shown, each in its place: what stretches over several is masked on the
        first and leaves the others empty. A name before a colon at the end of a line hides nothing of the next one."""
        hidden = self._looks.sub(lambda match: MASK + "\n" * match[0].count("\n"), text)
        return [_AFTER.sub(rf"\1{MASK}", line) for line in hidden.split("\n")]

    def arguments(self, actor: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a job. Those by position have the names of the actor's parameters."""
        names = _parameters(actor)
        named = [*names[: len(args)], *[names[-1] if names else ""] * (len(args) - len(names))]
        return [self.value(item, name) for item, name in zip(args, named, strict=True)], self.value(kwargs)

    def task_args(self, actor: str, given: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any] | list[Any]:
        """The arguments of a schedule: all by name, or all by place."""
        if isinstance(given, Mapping):
            return self.arguments(actor, (), given)[1]
        return self.arguments(actor, given, {})[0]

    def _is_secret(self, name: str, value: Any) -> bool:
        joined = _joined(name)
        if joined in self._names or any(part in joined for part in _WITHIN):
            return True
        words = {word.lower() for word in _CAMEL.split(name)}
        return bool(words & _WORDS) or (bool(words & _WORDS_OF_TEXT) and not isinstance(value, int | float))


@dataclass(frozen=True)
class Rules:
    """What is masked."""

    within: tuple[str, ...]  # anywhere in a name
    words: tuple[str, ...]  # as one of a name's words
    looks: tuple[str, ...]  # regular expressions
    added_names: tuple[str, ...]  # MASK_NAMES
    added_looks: tuple[str, ...]  # MASK_PATTERNS


def rules() -> Rules:
    """Those of this process, for people to read."""
    words = tuple(sorted(_WORDS | _WORDS_OF_TEXT))
    return Rules(_WITHIN, words, _LOOKS, settings().mask_names, settings().mask_patterns)


@cache
def masking() -> Masking:
    """The rules of this process."""
    return Masking(settings().mask_names, settings().mask_patterns)


def of_mail(value: Any, caller: Caller) -> Any:
    """Something out of a mail as this caller may see it: of addresses, who only looks sees the first letter."""
    shown = masking().value(value)
    return shown if caller.may("operate") else _shortened(shown)


_LOCAL = r"[\w.!#$%&'*+/=?^`{|}~-]"
# From the start of a word only: a long one without an @ would be read again from each of its letters.
_ADDRESS = re.compile(rf"(?<!{_LOCAL})({_LOCAL}){_LOCAL}*@([\w.-]+)")


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return _ADDRESS.sub(r"\1…@\2", value)
    if isinstance(value, dict):
        return {_shortened(name): _shortened(item) for name, item in value.items()}
    return [_shortened(item) for item in value] if isinstance(value, list) else value


def _joined(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _parameters(actor: str) -> list[str]:
    """Those that take arguments by position; of an actor that nobody knows here, none."""
    if actor not in broker.actors:
        return []
    kinds = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    return [p.name for p in inspect.signature(broker.actors[actor].fn).parameters.values() if p.kind in kinds]
