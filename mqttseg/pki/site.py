"""An authority on disk, under its lock: the order in which anything is signed, recorded and put into files.

Owns the lock and the mending of what a crash has cut off; a certificate is signed, recorded, and only then put into
a file. Refuses to know who may have which certificate: that is ``authority.py``, the only one to use this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509

from mqttseg.errors import OperatorError
from mqttseg.pki import crl, files, founding, keys, shapes
from mqttseg.pki.keys import DeviceKey, PublicKey
from mqttseg.pki.placement import Draft, Shelf
from mqttseg.pki.records import Kind, Origin, Record, Records, record_of
from mqttseg.pki.shapes import Signer, pem

DEVICES = "devices"


@dataclass(frozen=True, slots=True)
class Order:
    """A certificate to make for a device; ``key`` when it is ours to hand out."""

    device_id: str
    public: PublicKey
    key: DeviceKey | None = field(repr=False)
    days: int
    origin: Origin


@dataclass(frozen=True, slots=True)
class Issued:
    """A new certificate (leaf plus issuing chain, PEM) and its key (PEM) when it is new too. Both are in files already.

    ``key_file`` is also that of a key of ours that was certified again.
    """

    record: Record
    certificate: bytes = field(repr=False)
    key: bytes | None = field(repr=False)
    certificate_file: Path
    key_file: Path | None


class Site:
    """The directory `certs` with an authority in it. OperatorError when it is damaged or open to others."""

    def __init__(self, certs: Path, passphrase: bytes | None, clock: Callable[[], datetime]) -> None:
        files.refuse_shared(certs / "ca")
        self.certs = certs
        self.root = _certificate(certs / "ca" / f"{founding.ROOT}.crt")
        self.issuing = _certificate(certs / "ca" / f"{founding.ISSUING}.crt")
        self.records = Records(certs / "ca" / founding.RECORDS)
        self.trust_domain = self.records.trust_domain()
        self.clock = clock
        self._shelf = Shelf(certs, pem(self.issuing))
        self._passphrase = passphrase
        self._key: Signer | None = None
        self._write_bundle()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with the site, whatever a crash has cut off mended, and the key at hand; else OperatorError."""
        with files.operator_errors(), files.locked(self.certs):
            self._signer()
            self._shelf.recover(self.records)
            if crl.is_due(self.certs / "ca.crl", self.records, self.clock()):
                self.publish()
            yield

    def publish(self) -> None:
        """Sign the issuing authority's revocation list afresh, and publish it with the root's."""
        root_list = files.read_kept(self.certs / "ca" / f"{founding.ROOT}.crl")
        try:
            crl.publish(self.certs / "ca.crl", self.records, self._signer(), root_list, self.clock())
        except OSError as error:
            self._say_who_is_still_admitted(error)
            raise

    def unpublished(self, path: Path | None = None) -> tuple[Record, ...]:
        """Certificates that are revoked in the records only, and not in the file (`ca.crl`): brokers admit them."""
        return crl.unpublished(path or self.certs / "ca.crl", self.records, self.clock())

    def _say_who_is_still_admitted(self, error: OSError) -> None:
        # Whoever revokes must not take this for a revocation that failed as a whole, nor for one that is in force.
        if names := sorted({record.name for record in self.unpublished()}):
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise OperatorError(
                f"{error.filename or self.certs / 'ca.crl'}: {error.strerror or error}; the revocation of {names[0]}"
                f"{more} is recorded, but NOT published: the broker still admits it; make {self.certs} writable and"
                " run `mqttseg ca crl --refresh`"
            ) from error

    def issue_devices(self, orders: Sequence[Order], directory: str) -> tuple[Issued, ...]:
        """Certificates for devices, all recorded or none."""
        now = self.clock()
        return self._issue([self._device(order, directory, now) for order in orders])

    def issue_broker(self, hosts: Sequence[str], days: int) -> Issued:
        """The broker's certificate and key, in place of any others."""
        now, key = self.clock(), keys.generate(keys.KeyType.P256)
        leaf = shapes.broker(key.public_key(), hosts, self._signer(), now, days)
        record = record_of(leaf, now, kind=Kind.BROKER, name=hosts[0], origin=Origin.ISSUED, directory=".")
        return self._issue([Draft(record, keys.to_pem(key))])[0]

    def directory(self, out: Path | None) -> str:
        """How records name a directory for certificates (`certs/devices` without ``out``); made when missing."""
        path = self.certs / DEVICES if out is None else out.absolute()
        if not path.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            files.make_private_directory(path)
        return DEVICES if out is None else str(path)

    def _device(self, order: Order, directory: str, now: datetime) -> Draft:
        signer = self._signer()
        leaf = shapes.device(order.public, order.device_id, self.trust_domain, signer=signer, now=now, days=order.days)
        record = record_of(leaf, now, kind=Kind.DEVICE, name=order.device_id, origin=order.origin, directory=directory)
        return Draft(record, None if order.key is None else keys.to_pem(order.key))

    def _issue(self, drafts: Sequence[Draft]) -> tuple[Issued, ...]:
        """The order that makes a crash harmless; see ``placement.py``."""
        records = [draft.record for draft in drafts]
        self._shelf.stage(drafts)
        self.records.add(records)
        self._shelf.place(records)
        self.records.mark_placed(record.serial for record in records)
        return tuple(map(self._issued, drafts))

    def _issued(self, draft: Draft) -> Issued:
        return Issued(
            draft.record,
            self._shelf.chain_of(draft.record),
            draft.key,
            self._shelf.certificate_file(draft.record),
            self._key_file(draft),
        )

    def _key_file(self, draft: Draft) -> Path | None:
        """Where the key is: just put there, or ours and there from before."""
        path = self._shelf.key_file(draft.record)
        kept = draft.record.origin is Origin.ISSUED and path.exists()
        return path if draft.key is not None or kept else None

    def _signer(self) -> Signer:
        if self._key is None:
            path = self.certs / "ca" / f"{founding.ISSUING}.key"
            sealed = files.read_kept(path)
            files.refuse_shared(path)
            self._key = Signer(self.issuing, keys.load_authority_key(sealed, self._passphrase))
        return self._key

    def _write_bundle(self) -> None:
        """`ca.crt`, unless it is there: the operator may have added authorities to it."""
        path = self.certs / "ca.crt"
        if not path.exists():
            with files.locked(self.certs):
                files.replace(path, pem(self.root) + pem(self.issuing))


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(files.read_kept(path))
    except ValueError as error:
        raise OperatorError(f"{path} is damaged; restore it from a backup") from error
