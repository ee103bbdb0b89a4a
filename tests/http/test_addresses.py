"""Which addresses and URLs a request may go to."""

from ipaddress import ip_address

import pytest

from errors import BadArguments
from providers.http import Destinations, Networks, check_headers
from providers.http.address import is_public

SPECIAL = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.45.1",
    "169.254.170.2",
    "172.31.255.255",
    "192.0.0.192",
    "192.88.99.3",
    "198.18.0.0",
    "198.51.100.65",
    "224.0.0.1",
    "233.252.0.16",
    "240.240.240.240",
    "::",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::dead:beef",
    "2001::1",
    "2001:db8::1",
    "2002:a9fe:a9fe::1",
    "3fff::dead:beef",
    "fc00::1",
    "fd7a:115c:a1e0::1",
    "febf:ffff::dead:beef",
    "ff02::1",
    "192.168.1.1",
    "203.0.113.9",
    "255.255.255.255",
    "100.100.100.200",
    "224.1.2.3",
    "239.255.255.250",
    "::a9fe:a9fe",
    "::5efe:7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::c0a8:0",
    "2002:7f00:1::1",
    "2002:c0a8:1::dead:beef",
    "5f00::dead:beef",
    "fec0::1",
    "ff0e::1",
    "2002:808:808::1",
    "::1",
]  # the last but one carries a public address, in a way that nobody needs

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "9.9.9.9",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.88.98.255",
    "192.88.100.1",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.255",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00:1450:4001:82b::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]

ANYWHERE = Destinations(schemes=frozenset({"http", "https"}), ports=None)


@pytest.mark.parametrize("address", SPECIAL)
def test_a_special_address_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_an_ordinary_address_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", SPECIAL)
def test_a_url_of_a_special_address_is_refused_at_the_call(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(BadArguments) as raised:
        ANYWHERE.check(f"http://{host}/")
    assert "OUTGOING_PRIVATE" in str(raised.value)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0"])
def test_a_loopback_address_in_disguise_is_refused_at_the_call(host: str) -> None:
    with pytest.raises(BadArguments):
        ANYWHERE.check(f"http://{host}/")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://example.com/", "scheme"),
        ("http://example.com/", "scheme"),
        ("https://user:pw@example.com/", "password"),
        ("https://user@example.com/", "user name"),
        ("https://example.com:22/", "port 22"),
        ("https://example.com:99999/", "port 99999"),
        ("https:///path", "whole URL"),
        ("example.com/path", "whole URL"),
        ("https://exa mple.com/", "not a URL"),
        ("https://example.com/" + "x" * 3000, "characters"),
        ("javascript:alert(1)", "whole URL"),
        ("file:///etc/passwd", "whole URL"),
    ],
)
def test_a_url_that_may_not_be_is_refused_with_advice(url: str, says: str) -> None:
    with pytest.raises(BadArguments, match=says) as raised:
        Destinations().check(url)
    assert raised.value.path == "url"


def test_private_networks_are_reached_when_they_are_listed() -> None:
    lan = Destinations(schemes=frozenset({"http"}), ports=None, private=Networks(["10.1.0.0/16", "::1"]))
    assert lan.check("http://10.1.2.3:9000/").host == "10.1.2.3"
    assert lan.check("http://[::1]/").host == "::1"
    with pytest.raises(BadArguments):
        lan.check("http://10.2.0.1/")


@pytest.mark.parametrize(
    "headers", [{"X-A": "b\r\nX-C: d"}, {"X A": "b"}, {"Host": "elsewhere"}, {"Content-Length": "1"}, {"X-A": "é"}]
)
def test_headers_that_could_change_the_request_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(BadArguments):
        check_headers(headers)
