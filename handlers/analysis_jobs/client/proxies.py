"""Finds the HTTP proxy for a URL in the settings of this machine."""

import ipaddress
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from urllib3 import PoolManager, ProxyManager
from urllib3.util import make_headers


def proxy_of(url: str) -> str | None:
    """Return the URL of the proxy, or None for a direct connection. Loopback addresses are always direct."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def connection_pool(proxy: str | None, **options: Any) -> PoolManager:
    """Return a pool of connections through `proxy`, or of direct connections."""
    if proxy is None:
        return PoolManager(**options)
    user = urlsplit(proxy)
    headers = None
    if user.username:
        headers = make_headers(proxy_basic_auth=f"{unquote(user.username)}:{unquote(user.password or '')}")
    return ProxyManager(proxy, proxy_headers=headers, **options)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
