"""``mqttseg init``: a new site, or what is missing of one."""

from __future__ import annotations

import json
import re
import shlex
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files as resources
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mqttseg.cli.options import JsonOption, PassphraseFileOption
from mqttseg.cli.output import say, show, show_json, warn
from mqttseg.cli.site import (
    ask_passphrase,
    broker_names,
    compile_site,
    find_site,
    near,
    open_authority,
    open_signing_authority,
    read_passphrase,
)
from mqttseg.errors import OperatorError

if TYPE_CHECKING:
    from mqttseg.config import Config
    from mqttseg.pki.authority import Authority
    from mqttseg.policy.compiled import Compiled

_DEFAULT_DOMAIN = "site.internal"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SHOWN = 3  # devices that init names as examples
_PLAIN_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


@dataclass(slots=True)
class _Report:
    """What was made, and what was there already and kept as it is."""

    made: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)

    def make(self, path: Path, make: Callable[[], object]) -> None:
        """Make what is not there."""
        if path.exists():
            self.kept.append(path)
        else:
            make()
            self.made.append(path)


@dataclass(frozen=True, slots=True)
class _Passphrase:
    """Where the passphrase of the authority's keys comes from."""

    file: Path | None
    ask: bool

    def of_new(self) -> bytes | None:
        """That of an authority about to be made; None for one without."""
        if self.file is not None:
            return read_passphrase(self.file)
        return ask_passphrase(new=True) if self.ask else None


def init(
    directory: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where; default: here.", show_default=False)
    ] = Path(),
    host: Annotated[
        list[str] | None,
        typer.Option(
            "--host",
            metavar="NAME",
            help="A name or address by which devices reach the broker; may be repeated. "
            "Default: localhost, 127.0.0.1, ::1 and this machine's name.",
        ),
    ] = None,
    trust_domain: Annotated[
        str | None,
        typer.Option(
            "--trust-domain",
            metavar="NAME",
            help=f"What device identities begin with: spiffe://NAME/device/ID. Default: {_DEFAULT_DOMAIN}.",
        ),
    ] = None,
    passphrase_file: PassphraseFileOption = None,
    ask: Annotated[
        bool, typer.Option("--ask-passphrase", help="Ask for a passphrase, and seal the new authority's keys with it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg init plant7 --host broker.plant7.example --trust-domain plant7.example

    $ mqttseg init

    Make a new site: a starter policy, the authority that certifies devices, and the broker's certificate. Nothing
    that exists is ever overwritten: on a site, init makes what is missing.
    """
    _check_domain(trust_domain)
    report = _Report()
    _write_configs(directory / "configs", trust_domain, report)
    config = find_site(directory / "configs" / "mqttseg.yaml")
    passphrase = _Passphrase(passphrase_file, ask)
    compiled = compile_site(config)
    domain = _agreed_domain(config, compiled.policy.trust_domain, trust_domain)
    _make_certificates(config, domain, host or _own_names(), passphrase, report)
    report.make(config.state, lambda: config.state.mkdir(mode=0o700, parents=True))
    _show(report, as_json)
    if not as_json:
        say("\nNext:\n" + "\n".join(_next_steps(directory, config, _example_devices(compiled))))


def _check_domain(trust_domain: str | None) -> None:
    from mqttseg.pki.shapes import TRUST_DOMAIN  # here: `mqttseg --help` loads no cryptography

    if trust_domain is not None and TRUST_DOMAIN.fullmatch(trust_domain) is None:
        raise typer.BadParameter(f"{trust_domain!r} is not a trust domain; use small letters, digits, dots and dashes")


def _write_configs(directory: Path, trust_domain: str | None, report: _Report) -> None:
    from mqttseg.config import config_schema
    from mqttseg.policy.schema import devices_schema, policy_schema

    directory.mkdir(parents=True, exist_ok=True)
    for name in ("mqttseg.yaml", "policy.yaml", "devices.yaml"):
        _create(directory / name, _template(name, trust_domain or _DEFAULT_DOMAIN), report)
    for name, schema in (("mqttseg", config_schema()), ("policy", policy_schema()), ("devices", devices_schema())):
        _create(directory / f"{name}.schema.json", json.dumps(schema, indent=2) + "\n", report)


def _template(name: str, trust_domain: str) -> str:
    text = (resources("mqttseg.cli") / "templates" / name).read_text(encoding="utf-8")
    return text.replace(_DEFAULT_DOMAIN, trust_domain)


def _create(path: Path, text: str, report: _Report) -> None:
    from mqttseg.pki import files

    def create() -> None:
        try:
            files.create(path, text.encode(), files.PUBLIC)
        except FileExistsError:
            raise OperatorError(f"{path} is a link to nowhere; remove it") from None
        except OSError:  # the disk is full: half a policy must not be taken for one later
            path.unlink(missing_ok=True)
            raise

    report.make(path, create)


def _make_certificates(config: Config, domain: str, hosts: list[str], passphrase: _Passphrase, report: _Report) -> None:
    authority = _authority(config, domain, passphrase, report)
    report.make(config.broker_certificate, lambda: authority.issue_broker(hosts))
    made = config.broker_certificate in report.made
    (report.made if made else report.kept).append(config.broker_key)
    missing = set(hosts) - set(broker_names(config.broker_certificate))
    if missing:
        warn(
            f"{near(config.broker_certificate)} is kept, and it is not for {', '.join(sorted(missing))}; to have a new "
            "one made, run `mqttseg ca broker` with a --host for each of its names"
        )


def _authority(config: Config, domain: str, passphrase: _Passphrase, report: _Report) -> Authority:
    from mqttseg.pki.authority import Authority

    path, crl = config.certs / "ca", config.certs / "ca.crl"
    _refuse_half_an_authority(config, path)
    if not Authority.exists(config.certs):
        authority = Authority.create(config.certs, trust_domain=domain, passphrase=passphrase.of_new())
        report.made += [path, config.ca, crl]
        return authority
    missing = [item for item in (config.ca, crl) if not item.exists()]
    signs = missing or not config.broker_certificate.exists()
    authority = open_signing_authority(config, passphrase.file) if signs else open_authority(config)
    if missing:
        authority.write_crl()  # whatever signs makes the bundle, too
    report.kept += [item for item in (path, config.ca, crl) if item not in missing]
    report.made += missing
    if authority.trust_domain != domain:
        warn(f"the authority certifies devices of {authority.trust_domain}, but the policy's trust_domain is {domain}")
    return authority


def _refuse_half_an_authority(config: Config, path: Path) -> None:
    """An authority without its records does not know its devices; it is the operator's to say that it is given up."""
    from mqttseg.pki.authority import Authority

    if path.exists() and not Authority.exists(config.certs):
        raise OperatorError(
            f"{near(path)} is an authority without its records.db; restore that from a backup. If there is none: move"
            f" {near(path)}, ca.crt and ca.crl away and run `mqttseg init` again, which makes a new authority; the"
            " broker (`mqttseg ca broker`) and every device then need a new certificate"
        )


def _agreed_domain(config: Config, domain: str, wanted: str | None) -> str:
    """The policy's trust domain, which must be the one asked for."""
    if wanted not in (None, domain):
        raise OperatorError(f"{near(config.policy)} says trust_domain: {domain}, not {wanted}; change one of the two")
    return domain


def _own_names() -> list[str]:
    """What this machine is called from here, and by others if its name can stand in a certificate."""
    name = socket.gethostname()
    return list(dict.fromkeys([*_LOOPBACK, *([name] if _PLAIN_NAME.fullmatch(name) else [])]))


def _example_devices(compiled: Compiled) -> list[str]:
    """A few that the policy places, one of each role."""
    roles = ((s.name, r.name) for s in compiled.policy.segments.values() for r in (s.base, *s.roles.values()))
    ids = (device_id for role in roles for device_id in islice(compiled.membership.examples(*role), 1))
    return list(islice(ids, _SHOWN))


def _next_steps(directory: Path, config: Config, devices: list[str]) -> Iterator[str]:
    """What to type now; ``devices`` are examples, if the policy has any."""
    if directory.resolve() != Path.cwd():
        yield f"  cd {shlex.quote(str(directory))}"
    device, *more = devices or ["ID"]
    then = f"; then {' and '.join(more)}" if more else ""
    policy = (
        config.policy.relative_to(directory.resolve())
        if directory.resolve() in config.policy.parents
        else config.policy
    )
    commands = {
        f"mqttseg device issue {device}": f"a certificate for a device, and a line to try it with{then}",
        "mqttseg run": "the broker",
        str(policy): "your own segments; then: mqttseg policy check",
    }
    width = max(map(len, commands))
    yield from (f"  {command:<{width}}     {what}" for command, what in commands.items())


def _show(report: _Report, as_json: bool) -> None:
    if as_json:
        show_json({"made": [str(near(p)) for p in report.made], "kept": [str(near(p)) for p in report.kept]})
        return
    for verb, paths in (("made", report.made), ("kept", report.kept)):
        for path in paths:
            show(f"{verb}  {near(path.absolute())}")
