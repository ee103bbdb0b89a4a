"""The networks from which a key is accepted, in CIDR notation (RFC 4632, RFC 4291). An IPv6 address that stands for an
IPv4 one (::ffff:192.0.2.7, as a socket for both shows it) counts as the IPv4 address."""

import ipaddress
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network

from errors import BadArguments

MOST = 100  # networks of a key

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def checked(written: Sequence[str], path: str) -> list[str]:
    """As they are kept, each once: "10.0.0.0/8"; an address alone is "192.0.2.7/32". Raises BadArguments at the one
    that is none: `networks[1]`."""
    if len(written) > MOST:
        raise BadArguments(f"A key is for {MOST} networks at most, and these are {len(written):,}.", path)
    return list(dict.fromkeys(str(_network(text, f"{path}[{at}]")) for at, text in enumerate(written)))


def hold(networks: Iterable[str], address: str) -> bool:
    """Whether the address is in one of them. What is no address (a Unix socket's, a proxy's invention) is in none."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return any((mapped or found) in ipaddress.ip_network(network) for network in networks)


def _network(text: str, path: str) -> IPv4Network | IPv6Network:
    try:
        network = ipaddress.ip_network(text, strict=False)
        address = ipaddress.ip_address(text.partition("/")[0])
    except ValueError as error:
        raise BadArguments(f"{text[:50]!r} is no network. Write 10.0.0.0/8 or 2001:db8::/32.", path) from error
    if "%" in text:
        raise BadArguments(f"{text[:50]!r} names a zone, which only its own machine knows. Leave it out.", path)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        mapped = IPv4Network((int(network.network_address) & 0xFFFF_FFFF, network.prefixlen - _MAPPED.prefixlen))
        raise BadArguments(f"{text} stands for an IPv4 network. Write {mapped}.", path)
    if address != network.network_address:
        raise BadArguments(f"{text} is an address within a network. Write the network: {network}.", path)
    return network
