"""Which proxy leads to a URL, as this machine is set up."""

import ipaddress
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from urllib3 import PoolManager, ProxyManager
from urllib3.util import make_headers


def proxy_of(url: str) -> str | None:
    """Return the proxy for a URL; None where it is called directly, as everything on this machine is."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_here(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def pool_through(proxy: str | None, **options: Any) -> PoolManager:
    """Return a pool of connections through a proxy, or direct ones."""
    if proxy is None:
        return PoolManager(**options)
    user = urlsplit(proxy)
    headers = None
    if user.username:
        headers = make_headers(proxy_basic_auth=f"{unquote(user.username)}:{unquote(user.password or '')}")
    return ProxyManager(proxy, proxy_headers=headers, **options)


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
