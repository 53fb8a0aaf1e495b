"""Who is at the other end: credentials, and addresses behind trusted proxies."""

import re
from collections.abc import Mapping, MutableMapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final

from falcon.asgi import Request

_HOST: Final = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_MAX_SECRET: Final = 8192

Network = IPv4Network | IPv6Network


def bearer(req: Request) -> str | None:
    """The token of `Authorization: Bearer` (RFC 6750 section 2.1), or None."""
    header = req.get_header("Authorization")
    if header is None or len(header) > _MAX_SECRET:
        return None
    scheme, _, secret = header.partition(" ")
    return secret.strip(" ") or None if scheme.lower() == "bearer" else None


class Site:
    """Where the server is reached: its public URL, and the proxies whose word counts about address, host and scheme.

    `X-Forwarded-For`, `-Host` and `-Proto` are read only when the peer's own address is a trusted one; a client
    that sends them itself changes nothing.
    """

    __slots__ = ("_bases", "_networks", "_public_url")

    def __init__(self, public_url: str | None = None, trusted_proxies: tuple[str, ...] = ()) -> None:
        self._public_url = public_url.rstrip("/") if public_url else None
        self._networks: tuple[Network, ...] = tuple(ip_network(item, strict=False) for item in trusted_proxies)

    def trusts(self, address: str) -> bool:
        """Whether this address is one of the proxies."""
        if not self._networks:
            return False
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        mapped = getattr(parsed, "ipv4_mapped", None)
        return any((mapped or parsed) in network for network in self._networks)

    def client(self, req: Request) -> str:
        """The client's address: the nearest one that is not a trusted proxy."""
        peer = peer_of(req.scope)
        if not self._networks or not self.trusts(peer):
            return peer
        for hop in reversed(_listed(req.get_header("X-Forwarded-For"))):
            address = hop.strip('"[] ')
            try:
                ip_address(address)
            except ValueError:
                return peer
            if not self.trusts(address):
                return address
            peer = address
        return peer

    def counted(self, address: str) -> str | None:
        """What requests under way are counted by, of a client's address: its block.

        None for a trusted proxy that does not say whom it speaks for: a limit would close the door to all behind it.
        """
        if not address or (self._networks and self.trusts(address)):
            return None
        return address_block(address) if ":" in address else address

    def base_url(self, req: Request) -> str:
        """Scheme and authority for absolute URLs, without a trailing slash."""
        if self._public_url is not None:
            return self._public_url
        scheme, host = str(req.scope.get("scheme", "http")), req.get_header("Host") or ""
        if self._networks and self.trusts(peer_of(req.scope)):
            scheme = (_listed(req.get_header("X-Forwarded-Proto")) or [scheme])[-1].lower()
            host = (_listed(req.get_header("X-Forwarded-Host")) or [host])[-1]
        if not _HOST.fullmatch(host):
            server = req.scope.get("server") or ("localhost", None)
            host = f"{server[0]}:{server[1]}" if server[1] else str(server[0])
        return f"{'https' if scheme == 'https' else 'http'}://{host}"


def peer_of(scope: Mapping[str, Any] | MutableMapping[str, Any]) -> str:
    """The address at the other end of the socket."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def address_block(address: str) -> str:
    """What guesses are counted by: an IPv4 address, or the /64 of an IPv6 one, which is one customer's."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((parsed, 64), strict=False))


def _listed(header: str | None) -> list[str]:
    return [item.strip() for item in header[:4096].split(",") if item.strip()] if header else []
