"""Which proxy leads to an address: the connector's own, or the environment's (HTTPS_PROXY, HTTP_PROXY, NO_PROXY)."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from bridge.config.settings.connection import HttpConnectorTable
from bridge.errors import SetupError

DIRECT = "none"


def proxy_to(url: str, settings: HttpConnectorTable) -> str | None:
    """The proxy's address; None: straight. This machine is never behind one."""
    given = settings.proxy.get_secret_value()
    if given:
        return None if given == DIRECT else given
    address = urlsplit(url)
    if _is_this_machine(address.hostname or "") or proxy_bypass(address.netloc.rpartition("@")[2]):
        return None
    proxies = getproxies()
    return _whole(proxies.get(address.scheme) or proxies.get("all") or "")


def _whole(proxy: str) -> str | None:
    """The environment's proxy with its scheme, which many leave out. Raises SetupError for one that HTTP does not go through."""
    if not proxy:
        return None
    whole = proxy if "://" in proxy else f"http://{proxy}"
    if not whole.startswith(("http://", "https://")):
        kind = whole.partition("://")[0]
        raise SetupError(
            f'the environment\'s proxy is a {kind} proxy, which is not spoken here: give the connector proxy = "http://host:port", or "none"'
        )
    return whole


def secrets_of(proxy: str | None) -> frozenset[str]:
    """The password in a proxy's address."""
    password = urlsplit(proxy or "").password
    return frozenset({password} if password else ())


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
