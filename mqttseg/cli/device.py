"""``mqttseg device``: certificates of devices, from the first to the revoked."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mqttseg.cli.certificate import certificate_json, place_of, show_certificate, show_issued, status_of
from mqttseg.cli.device_import import import_devices
from mqttseg.cli.options import (
    ConfigOption,
    DaysOption,
    DeviceArgument,
    JsonOption,
    OutOption,
    PassphraseFileOption,
)
from mqttseg.cli.output import say, show, show_json, show_table, warn
from mqttseg.cli.quarantine import audit, operator, quarantine, release, terms
from mqttseg.cli.site import compile_if_valid, find_site, near, open_authority, open_signing_authority
from mqttseg.errors import OperatorError, Reason

if TYPE_CHECKING:
    from mqttseg.config import Config
    from mqttseg.pki.site import Issued
    from mqttseg.policy.compiled import Compiled

# The values of pki's KeyType and RevocationReason, which would load cryptography for every --help; a test compares.
KeyTypeName = Literal["p256", "ed25519", "rsa2048"]
ReasonName = Literal[
    "unspecified",
    "key-compromise",
    "affiliation-changed",
    "superseded",
    "cessation-of-operation",
    "privilege-withdrawn",
]

app = typer.Typer(no_args_is_help=True)
app.command("import", short_help="Fill in the inventory from leases, neighbours, scans or a list.")(import_devices)


@app.callback()
def device() -> None:
    """$ mqttseg device issue thermo-1

    Certificates of devices. What a device may do, the policy says; that it is this device, its certificate proves.
    """


@app.command(short_help="Make a key and a certificate for a new device.")
def issue(
    device_id: DeviceArgument,
    out: OutOption = None,
    days: DaysOption = None,
    key_type: Annotated[KeyTypeName, typer.Option("--key-type", help="Kind of key.")] = "p256",
    passphrase_file: PassphraseFileOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg device issue thermo-1

    $ mqttseg device issue cam-7 --days 90 --key-type ed25519 --out /mnt/stick

    Make a key and a certificate for a new device, in files that MQTT clients take as they are, and print a line to
    try them with.
    """
    from mqttseg.pki.keys import KeyType
    from mqttseg.pki.shapes import DEVICE_DAYS

    site = find_site(config)
    authority = open_signing_authority(site, passphrase_file)
    issued = authority.issue(device_id, key_type=KeyType(key_type), days=DEVICE_DAYS if days is None else days, out=out)
    show_issued(site, authority, issued, as_json)


@app.command(short_help="Certify a key that the device made itself.")
def sign(
    request: Annotated[
        str, typer.Argument(metavar="CSR", help="The certificate request, PEM or DER; - for stdin.", show_default=False)
    ],
    device_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="The device; default: the file's name without its ending.")
    ] = None,
    out: OutOption = None,
    days: DaysOption = None,
    passphrase_file: PassphraseFileOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg device sign thermo-9.csr

    $ mqttseg device sign request.pem --id thermo-9

    Certify a key that the device made itself. Of the request only the key counts, and the proof that the device
    holds it: names and extensions that it asks for are not read.
    """
    from mqttseg.pki.shapes import DEVICE_DAYS

    if request == "-" and device_id is None:
        raise typer.BadParameter("a request from stdin needs --id ID")
    site = find_site(config)
    authority = open_signing_authority(site, passphrase_file)
    pem = sys.stdin.buffer.read() if request == "-" else _read(Path(request))
    issued = authority.sign(pem, device_id or Path(request).stem, days=DEVICE_DAYS if days is None else days, out=out)
    show_issued(site, authority, issued, as_json)


@app.command(short_help="Make a further certificate for a known device.")
def renew(
    device_id: DeviceArgument,
    days: DaysOption = None,
    keep_key: Annotated[bool, typer.Option("--keep-key", help="Certify the same key again.")] = False,
    request: Annotated[
        Path | None, typer.Option("--csr", metavar="FILE", help="A new request of a device that makes its own keys.")
    ] = None,
    out: OutOption = None,
    passphrase_file: PassphraseFileOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg device renew thermo-1

    Make a further certificate for a known device; it replaces the files. The old certificate stays valid until it
    expires, so that the device can be switched over at leisure.
    """
    from mqttseg.pki.shapes import DEVICE_DAYS

    site = find_site(config)
    authority = open_signing_authority(site, passphrase_file)
    pem = None if request is None else _read(request)
    issued = authority.renew(
        device_id, days=DEVICE_DAYS if days is None else days, keep_key=keep_key, request=pem, out=out
    )
    show_issued(site, authority, issued, as_json)


@app.command(short_help="Put a device out for good.")
def revoke(
    device_id: DeviceArgument,
    why: Annotated[ReasonName, typer.Option("--why", help="What the revocation list says.")] = "unspecified",
    passphrase_file: PassphraseFileOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg device revoke cam-7 --why key-compromise

    Revoke every certificate of a device, and publish that in the revocation list. A running broker cuts the device
    at once, and does not publish its will.
    """
    from mqttseg.pki.shapes import RevocationReason

    site = find_site(config)
    authority = open_signing_authority(site, passphrase_file)
    records = authority.revoke(device_id, reason=RevocationReason(why))
    acted = _act_on_revocation(site, device_id, why)
    if as_json:
        show_json([certificate_json(record, None) for record in records])
        return
    for record in records:
        show(f"revoked {record.name}, serial {record.serial:x}")
    if acted:
        say(f"{near(authority.certs / 'ca.crl')} says so, and the running broker has cut the device.")
    else:
        say(f"{near(authority.certs / 'ca.crl')} says so; a running broker that reads it cuts the device at once.")


def _act_on_revocation(site: Config, device_id: str, why: str) -> bool:
    """Have the running broker act now, and tell who it was. False when none runs here that reads this list."""
    from mqttseg.control.client import Client, NoBrokerError
    from mqttseg.observe.events import Event, Kind

    if site.crl != site.certs / "ca.crl":
        return False
    try:
        with Client(site.state) as broker:
            broker.refresh_revocations(device_id, why)
            return True
    except NoBrokerError:
        audit(site, Event(Kind.REVOKE, Reason.CERTIFICATE_REVOKED, device=device_id, who=operator(), why=why))
    except OperatorError as error:
        warn(f"the revocation is published; the running broker has not confirmed that it acts: {error}")
    return False


@app.command("list", short_help="List the devices that have certificates.")
def list_devices(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """$ mqttseg device list

    $ mqttseg device list --json

    List the devices that were ever issued a certificate, each with its newest.
    """
    site = find_site(config)
    records = {record.name: record for record in reversed(open_authority(site).list())}
    compiled = compile_if_valid(site)
    newest = [records[name] for name in sorted(records)]
    if as_json:
        show_json([certificate_json(record, compiled) for record in newest])
        return
    if not newest:
        say("No device has a certificate yet; issue one: mqttseg device issue ID")
        return
    rows = [(r.name, place_of(r, compiled), status_of(r), f"{r.not_after:%Y-%m-%d}", r.key_type) for r in newest]
    show_table(("device", "segment", "status", "until", "key"), rows)


@app.command("show", short_help="Show a device's certificates.")
def show_device(device_id: DeviceArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """$ mqttseg device show thermo-1

    Show every certificate that a device ever had, newest first, its segment, and whether it is in quarantine.
    """
    from mqttseg.pki.quarantine import Register

    site = find_site(config)
    authority = open_authority(site)
    records = authority.show(device_id)
    compiled = compile_if_valid(site)
    if as_json:
        show_json([certificate_json(record, compiled) for record in records])
        return
    show(f"{device_id}: segment {place_of(records[0], compiled) or 'none'}")
    out = Register(site.state).load().get(device_id)
    if out is not None:
        show(f"in quarantine {terms(out)}")
    show(f"certificate: {near(authority.certs / records[0].directory / f'{device_id}.crt')}")
    for record in records:
        show_certificate(record)


@app.command(short_help="Issue certificates to a whole list of devices.")
def enroll(
    csv: Annotated[
        Path,
        typer.Argument(metavar="CSV", help="First line: id, or id,days, or id,days,key_type.", show_default=False),
    ],
    skip_existing: Annotated[
        bool,
        typer.Option("--skip-existing", help="Pass over devices that hold a certificate, as after an interruption."),
    ] = False,
    out: OutOption = None,
    passphrase_file: PassphraseFileOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg device enroll fleet.csv

    Issue a key and a certificate to every device of a list. The list is checked as a whole first; nothing is issued
    when anything in it is wrong.
    """
    site = find_site(config)
    authority = open_signing_authority(site, passphrase_file)
    planned = authority.plan_enrollment(csv, skip_existing=skip_existing)
    compiled = compile_if_valid(site)
    count = 0
    for issued in _with_progress(authority.enroll(planned, out=out), len(planned)):
        count += 1
        last = issued
    directory = near(last.certificate_file.parent) if count else None
    if as_json:
        show_json({"enrolled": count, "directory": None if directory is None else str(directory)})
    else:
        show(f"enrolled {count} devices{f', in {directory}' if directory else ''}")
    _warn_of_homeless([item.device_id for item in planned], compiled)


def _with_progress(issued: Iterable[Issued], total: int) -> Iterable[Issued]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("Enrolling"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield from progress.track(issued, total=total)


def _warn_of_homeless(ids: list[str], compiled: Compiled | None) -> None:
    homeless = [name for name in ids if compiled is not None and compiled.placement(name) is None]
    if homeless:
        more = f" and {len(homeless) - 1} more" if len(homeless) > 1 else ""
        warn(f"{homeless[0]}{more} of these devices are in no segment, so the broker will refuse them; {_REMEDY}")


_REMEDY = "add them to `members` of a segment in the policy"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}; give a certificate request in PEM") from error


app.command(short_help="Put a device out for now.")(quarantine)
app.command(short_help="Let a device in again that was put in quarantine.")(release)
