"""``mqttseg ca``: the authority and its revocation list."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mqttseg.cli.options import ConfigOption, JsonOption, PassphraseFileOption
from mqttseg.cli.output import say, show, show_json, warn
from mqttseg.cli.site import broker_names, find_site, near, open_authority, open_signing_authority
from mqttseg.errors import OperatorError

if TYPE_CHECKING:
    from mqttseg.config import Config
    from mqttseg.pki.records import Record

app = typer.Typer(no_args_is_help=True)


@app.callback()
def ca() -> None:
    """$ mqttseg ca show

    The authority that certifies the site's devices and its broker.
    """


@app.command("show", short_help="Show the authority.")
def show_ca(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """$ mqttseg ca show

    Show the authority: whose devices it certifies, until when, and what it has issued.
    """
    from cryptography.hazmat.primitives import hashes

    from mqttseg.pki.records import Status

    site = find_site(config)
    authority = open_authority(site)
    now = datetime.now(UTC)
    statuses = [record.status(now) for record in authority.list()]
    issued = {str(status): statuses.count(status) for status in Status}
    certificates = dict(zip(("root", "issuing"), authority.certificates, strict=True))
    if as_json:
        told = {
            name: {
                "subject": item.subject.rfc4514_string(),
                "not_after": item.not_valid_after_utc.isoformat(),
                "fingerprint": item.fingerprint(hashes.SHA256()).hex(),
            }
            for name, item in certificates.items()
        }
        show_json({"trust_domain": authority.trust_domain, **told, "bundle": str(near(site.ca)), "devices": issued})
        return
    show(f"trust domain  {authority.trust_domain}")
    for name, item in certificates.items():
        show(f"{name:<12}  {item.subject.rfc4514_string()}, until {item.not_valid_after_utc:%Y-%m-%d}")
        show(f"              SHA-256 {item.fingerprint(hashes.SHA256()).hex()}")
    show(f"bundle        {near(site.ca)}")
    show("certificates  " + ", ".join(f"{count} {status}" for status, count in issued.items()))


@app.command(short_help="Show the revocation list, or sign it afresh.")
def crl(
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Sign the list afresh first, for another half year.")
    ] = False,
    passphrase_file: PassphraseFileOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg ca crl > /mnt/stick/ca.crl

    $ mqttseg ca crl --refresh

    Print the revocation list (PEM; with --json, what is in it), for another machine. Never send the output to the
    list itself: the shell empties it first. A list that is lost or damaged is signed anew with --refresh. Commands
    that sign keep it fresh by themselves; a site that signs nothing for months should refresh it.
    """
    from mqttseg.pki.bundle import read
    from mqttseg.pki.revocation import REMEDY

    site = find_site(config)
    if refresh:
        path = open_signing_authority(site, passphrase_file).write_crl()
        say(f"signed {near(path)} afresh")
    path = open_authority(site).certs / "ca.crl"
    text = read(path, REMEDY)
    if as_json:
        show_json(_lists(text))
    else:
        show(text.decode("ascii").rstrip("\n"))


@app.command(short_help="Make a new certificate for the broker.")
def broker(
    host: Annotated[
        list[str] | None,
        typer.Option(
            "--host",
            metavar="NAME",
            help="A name or address by which devices reach the broker; may be repeated. "
            "Default: those of the certificate that is there.",
        ),
    ] = None,
    days: Annotated[
        int | None, typer.Option("--days", metavar="N", min=1, help="Days until it expires; default: 825.")
    ] = None,
    passphrase_file: PassphraseFileOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg ca broker

    $ mqttseg ca broker --host broker.plant7.example --host 192.0.2.10

    Make a new certificate and a new key for the broker, in place of those that are there. The key keeps its owner, its
    group, and the group's rights. A running broker takes it on SIGHUP.
    """
    from mqttseg.pki.shapes import BROKER_DAYS

    site = find_site(config)
    hosts = host or broker_names(site.broker_certificate)
    if not hosts:
        raise OperatorError(
            f"{near(site.broker_certificate)} names no host; say with --host how devices reach the broker"
        )
    before = _access(site.broker_key)
    authority = open_signing_authority(site, passphrase_file)
    issued = authority.issue_broker(hosts, days=BROKER_DAYS if days is None else days, replace=True)
    _show_broker(site, issued.record, as_json)
    if before not in (None, _access(site.broker_key)):
        warn(f"{near(site.broker_key)} has not the owner, group and rights of the one before; see who reads it")


def _show_broker(site: Config, record: Record, as_json: bool) -> None:
    names = broker_names(site.broker_certificate)
    if as_json:
        files = {"certificate": str(near(site.broker_certificate)), "key": str(near(site.broker_key))}
        valid = {"not_after": record.not_after.isoformat(), "fingerprint": record.fingerprint}
        show_json({"hosts": names, "serial": f"{record.serial:x}", **valid, "files": files})
        return
    show(f"issued a broker's certificate for {', '.join(names)}, valid until {record.not_after:%Y-%m-%d}")
    show(f"  certificate  {near(site.broker_certificate)}")
    show(f"  key          {near(site.broker_key)}")
    say("A running broker takes it on SIGHUP.")


def _access(path: Path) -> tuple[int, int, int] | None:
    """Who may do what with a file; None when there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_uid, found.st_gid, found.st_mode & 0o777


def _lists(pem: bytes) -> list[dict[str, object]]:
    from cryptography import x509

    from mqttseg.pki.bundle import pem_blocks

    lists = [x509.load_pem_x509_crl(block) for block in pem_blocks(pem, "X509 CRL")]
    return [
        {
            "issuer": item.issuer.rfc4514_string(),
            "last_update": item.last_update_utc.isoformat(),
            "next_update": None if item.next_update_utc is None else item.next_update_utc.isoformat(),
            "revoked": [
                {"serial": f"{entry.serial_number:x}", "at": entry.revocation_date_utc.isoformat()} for entry in item
            ],
        }
        for item in lists
    ]
