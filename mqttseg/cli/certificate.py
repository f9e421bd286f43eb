"""How certificates are shown: for people, for programs, and with a line to try a new one with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mqttseg.cli.output import say, show, show_json, warn
from mqttseg.cli.site import compile_if_valid, near

if TYPE_CHECKING:
    from mqttseg.cli.trial import Trial
    from mqttseg.config import Config
    from mqttseg.pki.authority import Authority
    from mqttseg.pki.records import Record
    from mqttseg.pki.site import Issued
    from mqttseg.policy.compiled import Compiled


def show_issued(config: Config, authority: Authority, issued: Issued, as_json: bool) -> None:
    """A new certificate: its files, a line to try it with, and a warning when the broker would refuse it."""
    compiled = compile_if_valid(config)
    trial = _trial(config, authority, compiled, issued.record)
    key = None if issued.key_file is None else str(near(issued.key_file))
    if as_json:
        lines = None if trial is None else {"publish": trial.publish, "subscribe": trial.subscribe}
        files = {"certificate": str(near(issued.certificate_file)), "key": key, "ca": str(near(config.ca))}
        show_json({**certificate_json(issued.record, compiled), "files": files, "try": lines})
    else:
        show(f"issued {issued.record.name}, valid until {issued.record.not_after:%Y-%m-%d}")
        show(f"  certificate  {near(issued.certificate_file)}")
        show(f"  key          {key or 'with the device'}")
        show(f"  trust        {near(config.ca)}")
        _show_trial(issued.record.name, trial)
    if compiled is not None and compiled.placement(issued.record.name) is None:
        _warn_of_no_segment(config, issued.record.name)


def _trial(config: Config, authority: Authority, compiled: Compiled | None, record: Record) -> Trial | None:
    from mqttseg.cli.trial import trial_of
    from mqttseg.pki.records import Status

    if compiled is None:
        return None
    now = datetime.now(UTC)
    valid = [
        item for item in authority.list() if item.status(now) is Status.VALID and item.directory == record.directory
    ]
    return trial_of(config, authority, compiled, record, valid)


def _show_trial(device_id: str, trial: Trial | None) -> None:
    if trial is None:
        return
    if trial.subscribe is not None:
        show(f"\nListen as {trial.receiver}:\n  {trial.subscribe}")
    if trial.publish is not None:
        show(f"\nPublish as {device_id}:\n  {trial.publish}")
        if trial.subscribe is None:
            say("\nNo device with a certificate may receive that yet.")


def _warn_of_no_segment(config: Config, device_id: str) -> None:
    warn(
        f"{device_id} is in no segment, so the broker will refuse it; add it to one in {near(config.policy)}, under "
        f'`segments: SEGMENT:`, as `members: ["{device_id}"]`'
    )


def show_certificate(record: Record) -> None:
    """All that is recorded of one certificate."""
    show(f"\n  status       {status_of(record)}{_revoked(record)}")
    show(f"  valid        {record.not_before:%Y-%m-%d %H:%M} to {record.not_after:%Y-%m-%d %H:%M} UTC")
    show(f"  serial       {record.serial:x}")
    show(f"  fingerprint  {record.fingerprint}")
    show(f"  key          {record.key_type}, {_origin(record)}")


def certificate_json(record: Record, compiled: Compiled | None) -> dict[str, object]:
    """One certificate, for programs."""
    return {
        "device": record.name,
        "segment": place_of(record, compiled) or None,
        "status": status_of(record),
        "serial": f"{record.serial:x}",
        "fingerprint": record.fingerprint,
        "key_type": record.key_type,
        "origin": str(record.origin),
        "not_before": record.not_before.isoformat(),
        "not_after": record.not_after.isoformat(),
        "revoked_at": None if record.revoked_at is None else record.revoked_at.isoformat(),
        "revoked_why": record.reason,
    }


def place_of(record: Record, compiled: Compiled | None) -> str:
    """``segment`` or ``segment/role``; empty when the device is in none, or the policy is not valid."""
    placement = None if compiled is None else compiled.placement(record.name)
    if placement is None:
        return ""
    return f"{placement.segment.name}/{placement.role.name}" if placement.role.name else placement.segment.name


def status_of(record: Record) -> str:
    """valid, expired or revoked, as of now."""
    return str(record.status(datetime.now(UTC)))


def _revoked(record: Record) -> str:
    return "" if record.revoked_at is None else f" on {record.revoked_at:%Y-%m-%d %H:%M} UTC ({record.reason})"


def _origin(record: Record) -> str:
    return "made here" if record.origin == "issued" else "made by the device"
