"""A test authority: its keys never leave this process."""

from __future__ import annotations

import os
import ssl
import tempfile
from typing import Any

__all__ = ["Authority"]


class Authority:
    """Issues one certificate for the names of loopback.

    Raises:
        ValueError: The extra ``tls`` is not installed.

    Attributes:
        certificate: The authority's own, as PEM: what a client must trust.
        context: For a server; it speaks HTTP/1.1 only.
    """

    def __init__(self) -> None:
        try:
            import trustme  # an extra, and a tenth of a second
        except ImportError:
            raise ValueError("TLS needs trustme: pip install 'galeproof[tls]'") from None
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1", "localhost", "::1")
        self.certificate: str = authority.cert_pem.bytes().decode()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.set_alpn_protocols(["http/1.1"])
        _load(self.context, issued)


def _load(context: ssl.SSLContext, issued: Any) -> None:
    """Give a context its key: from memory where there is such a file, else by way of one that only
    we can read and that is gone at once."""
    pem: bytes = issued.private_key_and_cert_chain_pem.bytes()
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("galeproof-key", os.MFD_CLOEXEC)
        try:
            os.write(number, pem)
            context.load_cert_chain(f"/proc/self/fd/{number}")
        finally:
            os.close(number)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
