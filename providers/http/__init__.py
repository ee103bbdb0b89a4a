"""The guarded HTTP client: every request to an address that somebody else has chosen leaves through it.

    client(settings())                          the one of this process
    await client.request("POST", url, ...)      one request, one Response, whatever its status

It is HTTP/1.1 as h11 speaks it, over connections of our own, without the layers in which redirects, cookies,
decompression and proxies from the environment live: what is not there cannot be tricked. What there is:

    deadline    for the whole request, from the name's look-up to the last byte, not for each read
    size        no more of the response is read than asked for; headers up to 100 KiB
    addresses   every address that a name resolves to is checked against a table of special ranges (address.py), and the
                connection is made to the one that was checked: a name that resolves differently the second time is
                never asked a second time. TLS still checks the name.
"""

from functools import cache

from providers.http.address import Networks
from providers.http.client import GuardedClient
from providers.http.progress import Progress
from providers.http.resolver import FixedResolver, Resolver, SystemResolver
from providers.http.response import Response, Timings
from providers.http.url import Destinations, check_headers
from providers.http.waiting import retry_after
from settings import Settings

__all__ = [
    "Destinations",
    "FixedResolver",
    "GuardedClient",
    "Networks",
    "Progress",
    "Resolver",
    "Response",
    "SystemResolver",
    "Timings",
    "check_headers",
    "client",
    "destinations",
    "retry_after",
]


@cache
def client(settings: Settings) -> GuardedClient:
    """The client as the settings want it, one for the whole process. It belongs to the event loop that uses it first.

    Raises ConfigurationError.
    """
    return GuardedClient(
        destinations(settings),
        proxy=settings.outgoing_proxy.get_secret_value() if settings.outgoing_proxy else None,
        ca_file=settings.outgoing_ca_file,
    )


@cache
def destinations(settings: Settings) -> Destinations:
    """Where requests may go, by the settings."""
    return Destinations(
        schemes=frozenset(settings.outgoing_schemes),
        ports=None if "*" in settings.outgoing_ports else frozenset(map(int, settings.outgoing_ports)),
        private=Networks(settings.outgoing_private),
    )
