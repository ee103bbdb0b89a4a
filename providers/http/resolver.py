"""From a host's name to its addresses."""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from errors import NotSent

_THREADS = 32  # getaddrinfo blocks: a name server that is silent holds one of these, and no other part of the process


class Resolver(Protocol):
    """Looks names up."""

    async def resolve(self, host: str) -> Sequence[str]:
        """The addresses of `host`, at least one. Raises NotSent with the code "dns"."""


class SystemResolver:
    """The machine's own resolver. Callers that ask for the same name at the same time share one look-up, so a name
    whose server is silent holds one thread, however many requests wait for it."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="resolver")
        self._asking: dict[str, asyncio.Future[list[str]]] = {}

    async def resolve(self, host: str) -> Sequence[str]:
        asked = self._asking.get(host)
        if asked is None:
            asked = asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host)
            self._asking[host] = asked
            asked.add_done_callback(lambda _: self._asking.pop(host, None))
        try:
            return await asyncio.shield(asked)  # one caller's deadline must not end it for the others
        except (OSError, UnicodeError) as error:
            raise NotSent(f"The name {host} could not be resolved: {error}.", code="dns") from error


def _look_up(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class FixedResolver:
    """A double: the addresses it was given for a name, one list after the other, the last one for good. Literal
    addresses are themselves. `asked` says which names it was asked for; `delay` is how long (s) it takes."""

    def __init__(self, names: Mapping[str, Sequence[Sequence[str]]], delay: float = 0) -> None:
        self._answers = {name: list(answers) for name, answers in names.items()}
        self._delay = delay
        self.asked: list[str] = []

    async def resolve(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        await asyncio.sleep(self._delay)
        answers = self._answers.get(host)
        if answers is None:
            try:
                return [str(ipaddress.ip_address(host))]
            except ValueError:
                raise NotSent(f"The name {host} could not be resolved.", code="dns") from None
        return answers.pop(0) if len(answers) > 1 else answers[0]
