"""``mqttseg status``: is the site in order, and is the broker up."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mqttseg.cli.options import ConfigOption, JsonOption
from mqttseg.cli.output import fail, show_json, show_table
from mqttseg.cli.policy import DENIED, counts
from mqttseg.cli.site import broker_names, compile_site, find_site, near
from mqttseg.errors import ConfigurationError, OperatorError

if TYPE_CHECKING:
    from mqttseg.config import Config, Endpoint
    from mqttseg.pki.revocation import Revocations

_SOON = timedelta(days=30)
_PATIENCE = 3.0
_REACHED_BY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared with, not bound


@dataclass(frozen=True, slots=True)
class _Finding:
    """One thing looked at. ``code``: what the command must then exit with."""

    what: str
    state: str
    detail: str
    code: int = 0


def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """$ mqttseg status

    $ mqttseg status --json

    Look at the policy, the certificates, what the running broker says of itself, and whether it accepts TLS
    connections where it should listen (the broker sees that as a connection without a certificate). Exits with 3 when
    a file is not valid, with 4 when a test of the policy fails (a broker would not take that policy), and with 1 when
    the broker is down, a certificate has expired, or a revocation is not published.
    """
    site = find_site(config)
    findings = [_policy(site), *_certificates(site), *_running(site), *(_listener(site, at) for at in site.listen)]
    if as_json:
        show_json([{"what": f.what, "state": f.state, "detail": f.detail} for f in findings])
    else:
        show_table(("what", "state", "detail"), [(f.what, f.state, f.detail) for f in findings])
    bad = {finding.code for finding in findings} - {0}
    if bad:
        raise typer.Exit(max(bad))


def _policy(config: Config) -> _Finding:
    from mqttseg.policy.check import run_tests

    try:
        compiled = compile_site(config)
    except ConfigurationError as error:
        for problem in error.problems:
            fail(str(problem), error.exit_code)
        count = len(error.problems)
        counted = "1 problem" if count == 1 else f"{count} problems"
        return _Finding("policy", "failed", f"{counted} in {near(config.policy)}", error.exit_code)
    failures = run_tests(compiled)
    for failure in failures:
        fail(str(failure), DENIED)
    detail = f"{near(config.policy)}: {counts(compiled)}, mode {compiled.policy.mode}"
    return _Finding("policy", "tests fail", detail, DENIED) if failures else _Finding("policy", "ok", detail)


def _certificates(config: Config) -> Iterator[_Finding]:
    from mqttseg.pki.bundle import load_bundle
    from mqttseg.pki.revocation import load_revocations

    try:
        authorities = load_bundle(config.ca)
        yield _dated("authority", min(item.not_valid_after_utc for item in authorities), str(near(config.ca)))
        yield _broker(config)
        if config.crl is not None:
            yield _revocations(config.crl, load_revocations(config.crl, config.ca))
            yield from _unpublished(config.certs, config.crl)
    except ConfigurationError as error:
        for problem in error.problems:
            fail(str(problem), error.exit_code)
        yield _Finding("certificates", "failed", "cannot be used", error.exit_code)


def _revocations(crl: Path, revoked: Revocations) -> _Finding:
    stale = revoked.is_stale(datetime.now(UTC))
    advice = "; run `mqttseg ca crl --refresh`" if stale else ""
    return _Finding("revocations", "stale" if stale else "ok", f"{len(revoked.entries)} in {near(crl)}{advice}")


def _unpublished(certs: Path, crl: Path) -> Iterator[_Finding]:
    """What the authority has revoked, and the broker cannot know. Nothing where its records are not ours to read."""
    from mqttseg.pki.authority import Authority

    if not os.access(certs / "ca", os.R_OK | os.X_OK):  # the broker's own user, or a machine without the authority
        return
    try:
        names = sorted({record.name for record in Authority.open(certs).unpublished(crl)})
    except OperatorError as error:
        yield _Finding("authority", "failed", str(error), 1)
        return
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        copy = "" if crl == certs / "ca.crl" else f", then copy {near(certs / 'ca.crl')} there"
        what = f"{names[0]}{more} revoked, but {near(crl)} does not say so: the broker still admits it"
        yield _Finding("revocations", "not published", f"{what}; run `mqttseg ca crl --refresh`{copy}", 1)


def _broker(config: Config) -> _Finding:
    from cryptography import x509

    from mqttseg.pki.trust import server_context

    server_context(config.ca, config.broker_certificate, config.broker_key)  # all three fit, or ConfigurationError
    leaf = x509.load_pem_x509_certificate(config.broker_certificate.read_bytes())
    return _dated("broker", leaf.not_valid_after_utc, f"for {', '.join(broker_names(config.broker_certificate))}")


def _dated(what: str, end: datetime, detail: str) -> _Finding:
    left = end - datetime.now(UTC)
    if left < timedelta(0):
        return _Finding(what, "expired", f"on {end:%Y-%m-%d}: {detail}", 1)
    return _Finding(what, "expires soon" if left < _SOON else "valid", f"until {end:%Y-%m-%d}: {detail}")


def _running(config: Config) -> Iterator[_Finding]:
    """What the broker says of itself; nothing where none runs, or only a stock amqtt, which has no control API."""
    from mqttseg.control.client import Client, NoBrokerError

    try:
        with Client(config.state) as client:
            status = client.status()
    except NoBrokerError:
        return
    except OperatorError as error:
        yield _Finding("running", "unknown", str(error))
        return
    denied = sum(status.denied.values())
    detail = f"{status.connected} of {status.sessions} sessions connected, {denied} denied, {status.quarantined} out"
    yield _Finding("running", "ok", f"since {status.started:%Y-%m-%d %H:%M} UTC: {detail}; mqttseg top shows more")
    yield from _in_force(config, status.policy.revision, status.policy.since)


def _in_force(config: Config, revision: int, since: datetime) -> Iterator[_Finding]:
    """Whether the files were changed after the broker took them."""
    files = [path for path in (config.policy, config.devices) if path is not None and path.exists()]
    changed = [path for path in files if datetime.fromtimestamp(path.stat().st_mtime, UTC) > since]
    if changed:
        detail = f"{near(changed[0])} was changed after revision {revision} came in force; run `mqttseg policy apply`"
        yield _Finding("in force", "older", detail)


def _listener(config: Config, endpoint: Endpoint) -> _Finding:
    """Shake hands as far as a stranger can, and see whether the other end shows a certificate of our authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # whose certificate it is counts here, not by which name it is reached
    host = _REACHED_BY.get(endpoint.host, endpoint.host)
    try:
        context.load_verify_locations(Path(config.ca))
        with socket.create_connection((host, endpoint.port), timeout=_PATIENCE) as plain, context.wrap_socket(plain):
            return _Finding(str(endpoint), "up", "accepts TLS connections")
    except ssl.SSLCertVerificationError as error:
        why = f"{error.verify_message}: what listens there is not this site's broker, or needs mqttseg ca broker"
        return _Finding(str(endpoint), "down", why, 1)
    except ssl.SSLError:
        return _Finding(
            str(endpoint), "down", "what listens there did not complete a TLS handshake: is it another service?", 1
        )
    except OSError as error:
        return _Finding(str(endpoint), "down", getattr(error, "strerror", None) or str(error), 1)
