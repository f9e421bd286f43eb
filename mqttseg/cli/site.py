"""The site that a command works on: its configuration, authority and policy, opened the same way by every command.

Owns finding them, and asking for the authority's passphrase. Refuses to know what a command does with them.
"""

from __future__ import annotations

import getpass
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mqttseg.cli.output import warn
from mqttseg.errors import ConfigurationError, OperatorError

if TYPE_CHECKING:
    from mqttseg.config import Config
    from mqttseg.pki.authority import Authority
    from mqttseg.policy.compiled import Compiled


def find_site(config: Path | None) -> Config:
    """The configuration of the site. ConfigurationError when it is wrong, OperatorError when there is none."""
    from mqttseg.config import find_config, load_config  # here: `mqttseg --help` loads no pydantic

    return load_config(find_config(config, os.environ))


def open_authority(config: Config) -> Authority:
    """The site's authority, for what only reads."""
    from mqttseg.pki.authority import Authority  # here: `mqttseg policy` loads no cryptography

    return Authority.open(config.certs)


def open_signing_authority(config: Config, passphrase_file: Path | None) -> Authority:
    """The site's authority, with its passphrase if it has one."""
    from mqttseg.pki.authority import Authority

    passphrase = None
    if Authority.exists(config.certs) and Authority.needs_passphrase(config.certs):
        passphrase = ask_passphrase() if passphrase_file is None else read_passphrase(passphrase_file)
    return Authority.open(config.certs, passphrase=passphrase)


def read_passphrase(path: Path) -> bytes:
    """The first line of a file."""
    try:
        line = path.read_bytes().split(b"\n", 1)[0].rstrip(b"\r")
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}; give a file that holds the passphrase") from error
    if not line:
        raise OperatorError(f"{path}: its first line is empty; write the passphrase there")
    return line


def ask_passphrase(*, new: bool = False) -> bytes:
    """From the terminal, unseen; twice when it is a new one."""
    if not sys.stdin.isatty():
        raise OperatorError("the authority's key needs a passphrase; give --passphrase-file, or run this on a terminal")
    entered = getpass.getpass("Passphrase of the authority's key: ")
    if new and entered != getpass.getpass("Once more: "):
        raise OperatorError("the two passphrases differ; nothing was made, try again")
    if not entered:
        raise OperatorError("the passphrase is empty; give one, or leave out --ask-passphrase")
    return entered.encode()


def compile_site(config: Config) -> Compiled:
    """The site's policy as of now. ConfigurationError when it is wrong."""
    from mqttseg.policy.compiled import compile_policy
    from mqttseg.policy.load import load_policy

    return compile_policy(load_policy(near(config.policy), config.devices and near(config.devices)), datetime.now(UTC))


def compile_if_valid(config: Config) -> Compiled | None:
    """The site's policy for what works without one, too; None, with a warning, when it is wrong."""
    try:
        return compile_site(config)
    except ConfigurationError as error:
        first, *more = error.problems
        warn(f"the policy is not valid: {first}{f' (and {len(more)} more problems)' if more else ''}")
        return None


def broker_names(certificate: Path) -> list[str]:
    """The host names and addresses that the broker's certificate is for; none when there is no such file."""
    from cryptography import x509

    try:
        leaf = x509.load_pem_x509_certificate(certificate.read_bytes())
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return []
    return [str(name.value) for name in names if isinstance(name, x509.DNSName | x509.IPAddress)]


def near(path: Path) -> Path:
    """The path as a command in this directory would write it."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path
