"""Everything on disk that the running broker depends on, loaded and checked: all of it, or an error."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from mqttseg.config import Config
from mqttseg.errors import ConfigurationError, Problem
from mqttseg.guard.guard import Standing
from mqttseg.pki.bundle import load_bundle
from mqttseg.pki.identity import IdentitySource
from mqttseg.pki.quarantine import Quarantine, Register
from mqttseg.pki.revocation import Revocations, load_revocations
from mqttseg.pki.trust import certificate_end, server_context
from mqttseg.policy.check import run_tests
from mqttseg.policy.compiled import Compiled, compile_policy
from mqttseg.policy.load import load_policy


@dataclass(frozen=True, slots=True)
class Site:
    """A site that may be served: its policy holds its own tests, its certificates fit."""

    config: Config
    compiled: Compiled
    revocations: Revocations
    context: ssl.SSLContext
    authorities: tuple[x509.Certificate, ...]
    quarantined: Mapping[str, Quarantine]
    certificate_end: datetime
    """When the broker's own certificate expires."""

    @property
    def standing(self) -> Standing:
        """What the guard enforces."""
        return Standing(self.compiled, self.revocations, self.quarantined.keys())


def load_site(config: Config) -> Site:
    """Load all that ``config`` names.

    Raises:
        ConfigurationError: something is wrong, missing or unreadable, or a test of the policy does not hold.
    """
    return Site(
        config=config,
        compiled=load_compiled(config),
        revocations=load_crl(config),
        context=server_context(
            config.ca,
            config.broker_certificate,
            config.broker_key,
            strict=config.identity is IdentitySource.SAN_URI,  # other authorities are not always so tidy
        ),
        authorities=load_bundle(config.ca),
        quarantined=Register(config.state).load(),
        certificate_end=certificate_end(config.broker_certificate),
    )


def load_compiled(config: Config) -> Compiled:
    """The policy in force from now on.

    Raises:
        ConfigurationError: the policy is wrong, or one of its own tests does not hold.
    """
    policy = load_policy(config.policy, config.devices)
    compiled = compile_policy(policy, datetime.now(UTC))
    failures = run_tests(compiled)
    if failures:
        raise ConfigurationError(
            Problem(failure.source, failure.what, "change the policy, or the test") for failure in failures
        )
    return compiled


def load_crl(config: Config) -> Revocations:
    """The revocations in force.

    Raises:
        ConfigurationError: the list is missing, unreadable, or not signed by an authority of ours.
    """
    return Revocations.none() if config.crl is None else load_revocations(config.crl, config.ca)
