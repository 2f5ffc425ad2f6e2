"""Certificates for a test's own broker: an authority, a server's certificate for 127.0.0.1 and a client's."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

_FROM, _FOR = datetime(2020, 1, 1, tzinfo=UTC), timedelta(days=36_500)


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files."""

    authority: Path
    server: Path
    """Key and certificate in one file, as Kafka wants them."""
    client: Path
    client_key: Path
    """Encrypted with KEY_PASSWORD."""
    stranger: Path
    """Another authority, which signed nothing."""


KEY_PASSWORD = "of the key"


def make_certificates(folder: Path) -> Certificates:
    """Make them all anew in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    key, authority = _authority("Latentwatch tests")
    _, stranger = _authority("Somebody else")
    server_key, server = _signed("127.0.0.1", key, authority)
    client_key, client = _signed("watch", key, authority)
    found = Certificates(*(folder / name for name in ("ca.pem", "server.pem", "client.pem", "client.key", "other.pem")))
    found.authority.write_bytes(_pem(authority))
    found.stranger.write_bytes(_pem(stranger))
    plain = server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    found.server.write_bytes(plain + _pem(server) + _pem(authority))
    found.client.write_bytes(_pem(client))
    locked = BestAvailableEncryption(KEY_PASSWORD.encode())
    found.client_key.write_bytes(client_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    return found


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _authority(name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    return key, builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())


def _signed(
    name: str, by_key: ec.EllipticCurvePrivateKey, by: x509.Certificate
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = by.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    builder = _builder(name, str(issuer), key).add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
    )
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(by_key.public_key())
    return key, builder.add_extension(identifier, critical=False).sign(by_key, hashes.SHA256())


def _builder(name: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FROM)
        .not_valid_after(_FROM + _FOR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
