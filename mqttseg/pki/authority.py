"""The site's certificate authority: what `mqttseg ca` and `mqttseg device` do.

Owns who may have which certificate: one id is enrolled once, renewed as often as wanted, and issued afresh after
revocation. Refuses to know how certificates look (``shapes.py``) and how they get to disk (``site.py``).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from mqttseg.errors import ConfigurationError, OperatorError
from mqttseg.pki import files, founding, keys, shapes
from mqttseg.pki.enrollment import Enrollment, enrolled_problems, read_enrollments
from mqttseg.pki.keys import DeviceKey, KeyType, PublicKey
from mqttseg.pki.placement import refuse_existing
from mqttseg.pki.records import Kind, Origin, Record, Status
from mqttseg.pki.request import public_key_of
from mqttseg.pki.shapes import BROKER_DAYS, DEVICE_DAYS, RevocationReason
from mqttseg.pki.site import Issued, Order, Site

_BATCH = 250  # devices per transaction of enroll: fast, and others get their turn in between


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


class Authority:
    """An authority on disk. Several processes may use it at once; it is cheap to open, and keeps nothing open.

    Methods raise OperatorError, also for what the file system refuses. Everything that signs needs the passphrase, if
    the keys are sealed; ``list``, ``show`` and the certificates do not.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._records = site.records

    @classmethod
    def create(
        cls,
        certs: Path,
        *,
        trust_domain: str,
        passphrase: bytes | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> Authority:
        """Found an authority in `certs`: root, issuing authority, records, `ca.crt` and `ca.crl`.

        Whole or not at all; OperatorError when there is one already, or a file that would be overwritten.
        """
        with files.operator_errors():
            founding.found(certs, trust_domain, passphrase, clock())
        authority = cls.open(certs, passphrase=passphrase, clock=clock)
        with authority._site.locked():  # which publishes the revocation lists, as they are missing
            return authority

    @classmethod
    def open(
        cls, certs: Path, *, passphrase: bytes | None = None, clock: Callable[[], datetime] = utc_now
    ) -> Authority:
        """The authority in `certs`. OperatorError when there is none, it is damaged, or others can read its keys."""
        if not cls.exists(certs):
            if os.path.lexists(certs / "ca"):  # an authority without its memory: a new one would not know its devices
                raise files.missing(certs / "ca" / founding.RECORDS)
            raise OperatorError(f"there is no authority in {certs}; make one with `mqttseg init`")
        with files.operator_errors():
            return cls(Site(certs, passphrase, clock))

    @staticmethod
    def exists(certs: Path) -> bool:
        """Whether `certs` holds an authority."""
        return (certs / "ca" / founding.RECORDS).is_file()

    @staticmethod
    def needs_passphrase(certs: Path) -> bool:
        """Whether signing will need a passphrase: to ask for it before, and not for what only reads."""
        with files.operator_errors():
            return keys.is_sealed(files.read_kept(certs / "ca" / f"{founding.ISSUING}.key"))

    @property
    def certs(self) -> Path:
        """The directory that holds everything; `ca.crt`, `ca.crl`, `devices` and `broker.crt` are in it."""
        return self._site.certs

    @property
    def trust_domain(self) -> str:
        """The one whose devices it certifies."""
        return self._site.trust_domain

    @property
    def certificates(self) -> tuple[x509.Certificate, x509.Certificate]:
        """The root's certificate, and the issuing authority's."""
        return self._site.root, self._site.issuing

    def issue(
        self, device_id: str, *, key_type: KeyType = KeyType.P256, days: int = DEVICE_DAYS, out: Path | None = None
    ) -> Issued:
        """A first certificate and key for a device, in `certs/devices` or ``out``.

        OperatorError when the id is not legal, holds a valid certificate already, or a file is in the way.
        """
        return self._issue_first([_new(device_id, key_type, days)], out)[0]

    def sign(self, request: bytes, device_id: str, *, days: int = DEVICE_DAYS, out: Path | None = None) -> Issued:
        """A first certificate for a device that made its own key: of the request (PEM or DER) only that key counts.

        OperatorError as for ``issue``, and when the request is malformed, weak, or not signed by its own key.
        """
        order = Order(device_id, public_key_of(request), None, days, Origin.SIGNED)
        return self._issue_first([order], out)[0]

    def renew(
        self,
        device_id: str,
        *,
        days: int = DEVICE_DAYS,
        key_type: KeyType | None = None,
        keep_key: bool = False,
        request: bytes | None = None,
        out: Path | None = None,
    ) -> Issued:
        """A further certificate for a known device, which replaces its files; the old one stays valid until it ends.

        A device whose key we made gets a new key of the same type (or ``key_type``), unless ``keep_key``. A device
        that made its own key keeps it, unless ``request`` brings a new one. OperatorError for an unknown device, and
        for one whose newest certificate is revoked: that one is issued afresh.
        """
        with self._site.locked():
            last = self.show(device_id)[0]
            if last.revoked_at is not None:
                raise OperatorError(f"{device_id} was revoked; if it may come back, issue it afresh")
            key, public = _renewed_key(last, key_type, keep_key, request)
            directory = self._directory_for_renewal(last, out)
            if request is not None and last.origin is Origin.ISSUED:
                refuse_existing([self.certs / directory / f"{device_id}.key"])  # it fits the old certificate only
            origin = last.origin if request is None else Origin.SIGNED
            return self._site.issue_devices([Order(device_id, public, key, days, origin)], directory)[0]

    def issue_broker(self, hosts: Sequence[str], *, days: int = BROKER_DAYS, replace: bool = False) -> Issued:
        """The broker's certificate and key (P-256) for host names and addresses, in `certs/broker.crt` and `.key`.

        OperatorError when they exist, unless ``replace``.
        """
        with self._site.locked():
            if not replace:
                refuse_existing([self.certs / "broker.crt", self.certs / "broker.key"])
            return self._site.issue_broker(hosts, days)

    def plan_enrollment(self, path: Path, *, skip_existing: bool = False) -> tuple[Enrollment, ...]:
        """What ``enroll`` would issue from a CSV file; ``skip_existing`` leaves out who is enrolled already.

        Raises ConfigurationError with every problem of the file, and, unless skipped, one for each enrolled device.
        """
        enrollments = read_enrollments(path)
        enrolled = self._records.valid_names(Kind.DEVICE, self._site.clock())
        problems = enrolled_problems(enrollments, enrolled)
        if problems and not skip_existing:
            raise ConfigurationError(problems)
        return tuple(item for item in enrollments if item.device_id not in enrolled)

    def enroll(self, enrollments: Iterable[Enrollment], *, out: Path | None = None) -> Iterator[Issued]:
        """Issue them all, in batches; each is yielded once it is recorded and its files are on disk.

        Whoever stops, or crashes, in the middle, goes on with ``plan_enrollment(path, skip_existing=True)``.
        """
        waiting = iter(enrollments)
        while batch := tuple(itertools.islice(waiting, _BATCH)):
            orders = [_new(item.device_id, item.key_type, item.days) for item in batch]
            yield from self._issue_first(orders, out)

    def revoke(self, device_id: str, *, reason: RevocationReason = RevocationReason.UNSPECIFIED) -> tuple[Record, ...]:
        """Revoke every certificate of a device that has not expired, and publish that. OperatorError: there is none.

        Certificates whose revocation was recorded, but could not be published, count: this publishes it.
        """
        pending = self._pending(device_id)
        with self._site.locked():
            now = self._site.clock()
            found = [item for item in self.show(device_id) if item.status(now) is Status.VALID]
            if not found and pending:
                self._site.publish()
                return pending
            if not found:
                raise OperatorError(f"{device_id} has no valid certificate to revoke")
            return self._revoke(found, reason)

    def revoke_serial(self, serial: int, *, reason: RevocationReason = RevocationReason.UNSPECIFIED) -> Record:
        """Revoke one certificate, a device's or the broker's, and publish that. OperatorError: there is none."""
        with self._site.locked():
            record = self._records.with_serial(serial)
            if record is None or record.status(self._site.clock()) is not Status.VALID:
                raise OperatorError(f"there is no valid certificate with the serial {serial:x}")
            return self._revoke([record], reason)[0]

    def list(self, kind: Kind = Kind.DEVICE) -> tuple[Record, ...]:
        """Every certificate ever issued, by name, newest first. ``Record.status(now)`` tells what each is worth."""
        return self._records.all(kind)

    def show(self, device_id: str) -> tuple[Record, ...]:
        """Every certificate of one device, newest first. OperatorError when there never was one."""
        found = self._records.of(Kind.DEVICE, device_id)
        if not found:
            raise OperatorError(f"no certificate was ever issued to {device_id[:100]!a}")
        return found

    def write_crl(self) -> Path:
        """Sign the issuing authority's revocation list afresh, and publish it with the root's in `certs/ca.crl`."""
        with self._site.locked():
            self._site.publish()
        return self.certs / "ca.crl"

    def unpublished(self, crl: Path) -> tuple[Record, ...]:
        """Certificates that are revoked and have not expired, and that this revocation list does not name."""
        with files.operator_errors():
            return self._site.unpublished(crl)

    def _pending(self, device_id: str) -> tuple[Record, ...]:
        """Of one device, what is revoked in the records only. To be asked before the lock, whose taking publishes."""
        with files.operator_errors():
            return tuple(
                item for item in self._site.unpublished() if (item.kind, item.name) == (Kind.DEVICE, device_id)
            )

    def _issue_first(self, orders: Sequence[Order], out: Path | None) -> tuple[Issued, ...]:
        """First certificates, for ids that hold no valid one; nothing of others is overwritten."""
        for order in orders:
            shapes.check_device_id(order.device_id)
        with self._site.locked():
            self._refuse_enrolled([order.device_id for order in orders])
            directory = self._site.directory(out)
            for order in orders:
                self._refuse_overwriting(order, directory)
            return self._site.issue_devices(orders, directory)

    def _refuse_enrolled(self, ids: Sequence[str]) -> None:
        enrolled = self._records.valid_names(Kind.DEVICE, self._site.clock()).intersection(ids)
        if enrolled:
            known = min(enrolled)
            raise OperatorError(f"{known} holds a valid certificate; `mqttseg device renew {known}` makes another")

    def _refuse_overwriting(self, order: Order, directory: str) -> None:
        # The files of an earlier certificate of ours, expired or revoked, may be replaced. A key is in the way only of
        # a key: whoever brings a request may have made it right there.
        suffixes = (".crt",) if order.key is None else (".crt", ".key")
        paths = [self.certs / directory / f"{order.device_id}{suffix}" for suffix in suffixes]
        if any(map(os.path.lexists, paths)):
            earlier = self._records.of(Kind.DEVICE, order.device_id)
            if not any(item.directory == directory for item in earlier):
                refuse_existing(paths)

    def _directory_for_renewal(self, last: Record, out: Path | None) -> str:
        if out is not None:
            return self._site.directory(out)
        if not (self.certs / last.directory).is_dir():
            raise OperatorError(f"{self.certs / last.directory} has gone; say with --out where to put the certificate")
        return last.directory

    def _revoke(self, records: Sequence[Record], reason: RevocationReason) -> tuple[Record, ...]:
        serials = [record.serial for record in records]
        self._records.revoke(serials, reason, self._site.clock())
        self._site.publish()
        return tuple(item for serial in serials if (item := self._records.with_serial(serial)) is not None)


def _new(device_id: str, key_type: KeyType, days: int) -> Order:
    key = keys.generate(key_type)
    return Order(device_id, key.public_key(), key, days, Origin.ISSUED)


def _renewed_key(
    last: Record, key_type: KeyType | None, keep_key: bool, request: bytes | None
) -> tuple[DeviceKey | None, PublicKey]:
    """The key of the next certificate: the requester's, the same again, or a new one of ours."""
    if request is not None:
        return None, public_key_of(request)
    if keep_key or last.origin is Origin.SIGNED:
        if key_type is not None:
            raise OperatorError("the key stays, so its type does too; leave out --key-type")
        certificate = x509.load_pem_x509_certificate(last.certificate.encode("ascii"))
        return None, keys.accept(certificate.public_key())
    key = keys.generate(key_type or KeyType(last.key_type))
    return key, key.public_key()
