"""Secure connections: a server that is trusted is talked to, one that is not gets no password."""

import datetime as dt
import ssl
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.email.imap import Connection
from adapters.errors import NotReachable
from tests.adapters.email.conftest import server
from tests.fixtures.dovecot import Dovecot, running_dovecot


def certificate() -> tuple[bytes, bytes]:
    """A certificate for this machine that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(pem), private


@pytest.fixture(scope="module")
def secure() -> Iterator[tuple[Dovecot, bytes]]:
    made = certificate()
    with running_dovecot(certificate=made) as dovecot:
        yield dovecot, made[0]


async def test_a_server_of_ones_own_is_trusted_by_its_certificate(
    secure: tuple[Dovecot, bytes], tmp_path: Path
) -> None:
    dovecot, trusted = secure
    file = tmp_path / "ca.pem"
    file.write_bytes(trusted)
    context = ssl.create_default_context(cafile=file)
    connection = await Connection.open(server(dovecot.tls_port, tls=context))
    assert (await connection.select("INBOX")).writable
    await connection.close()


async def test_a_stranger_gets_no_password(secure: tuple[Dovecot, bytes]) -> None:
    dovecot, _ = secure
    with pytest.raises(NotReachable) as raised:
        await Connection.open(server(dovecot.tls_port, tls=ssl.create_default_context()))
    assert raised.value.code == "tls"
    assert "certificate" in raised.value.message.lower()


async def test_a_server_that_knows_no_tls_gets_no_password(secure: tuple[Dovecot, bytes]) -> None:
    dovecot, _ = secure
    with pytest.raises(NotReachable):
        await Connection.open(server(dovecot.port, tls=ssl.create_default_context(), timeout=5))
