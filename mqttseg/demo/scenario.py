"""What the demo's devices try, one thing after the other: what they may, and what attackers would.

Owns the order of events. What should happen is asked of the policy; who got a message, of every device; why something
was denied, of the broker's events.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime

from mqttseg.demo.attempt import ALLOWS, DENIES, Attempt, Outcome, reason_of, short
from mqttseg.demo.broker import DemoBroker, Event
from mqttseg.demo.device import PATIENCE, Device
from mqttseg.demo.site import DemoSite
from mqttseg.errors import OperatorError, Reason
from mqttseg.policy.check import explain
from mqttseg.policy.decide import Decision, decide
from mqttseg.policy.model import Action
from mqttseg.policy.topics import matches

# Each device: what it subscribes to at first, and a topic that it both may publish to and hears.
_FLEET = {
    "thermo-1": (["hvac/thermo-1/cmd/#", "hvac/all/#"], "hvac/thermo-1/cmd/fence"),
    "bms-1": (["hvac/#"], "hvac/all/fence"),
    "cam-1": (["cameras/cam-1/cmd/#"], "cameras/cam-1/cmd/fence"),
    "cam-2": (["cameras/cam-2/cmd/#"], "cameras/cam-2/cmd/fence"),
    "nvr-1": (["cameras/#"], "cameras/nvr-1/fence"),
    "etl-1": (["analytics/#"], "analytics/fence"),
}
_TEMPERATURE = "hvac/thermo-1/telemetry/temp"
_SETPOINT = "hvac/thermo-1/cmd/setpoint"
_TELLING = frozenset({"refuse", "deny", "cut"})
_PRETENDER = "stranger"


class Scenario:
    """The demo's devices, connected, and what they try. Close it to disconnect them."""

    def __init__(self, site: DemoSite, broker: DemoBroker) -> None:
        self._site = site
        self._broker = broker
        self._compiled = site.compiled
        self._fleet: dict[str, Device] = {}

    @property
    def devices(self) -> list[str]:
        """The ids of all of them."""
        return list(_FLEET)

    def connect(self) -> None:
        """Connect the fleet and subscribe. OperatorError when a device that should come in does not."""
        for device_id, (filters, fence_topic) in _FLEET.items():
            device = Device(self._site.credentials(device_id, self._broker.port), fence_topic=fence_topic)
            self._fleet[device_id] = device
            if not device.connect() or not device.subscribe(*filters):
                raise OperatorError(f"{device_id} could not connect and subscribe: {self._last_words()}")

    def close(self) -> None:
        """Disconnect the fleet."""
        for device in self._fleet.values():
            device.close()

    def attempts(self) -> Iterator[Attempt]:
        """Everything that is tried, in order; each must be made before the next."""
        yield self._publish("thermo-1", _TEMPERATURE, "21.5", retain=True)
        yield self._subscribe("etl-1", "hvac/+/telemetry/#")
        yield self._publish("thermo-1", _TEMPERATURE, "21.6")
        yield self._publish("bms-1", _SETPOINT, "20.0")
        yield self._publish("cam-1", "cameras/cam-1/motion", "hall")
        yield self._publish("etl-1", _TEMPERATURE, "99.9")  # back through the one-way conduit
        yield self._publish("cam-1", _SETPOINT, "35.0")
        yield self._publish("thermo-1", "hvac/thermo-2/telemetry/temp", "99.9")
        yield self._subscribe("cam-1", "#")
        yield self._subscribe("cam-1", "hvac/#")
        yield self._will("cam-2", "hvac/all/off")
        yield self._stolen_id("cam-2", "bms-1")
        yield self._no_certificate()
        yield self._foreign_certificate("thermo-1")
        yield self._revoke("cam-2")
        yield self._revoked_comes_back("cam-2")

    # What may be allowed: the policy says

    def _publish(self, device_id: str, topic: str, payload: str, *, retain: bool = False) -> Attempt:
        def make() -> Outcome:
            decision = self._decide(device_id, Action.PUBLISH, topic)
            wanted = self._receivers(topic) if decision.allowed else []
            mark = self._clear()
            acknowledged = self._fleet[device_id].publish(topic, payload, retain=retain)
            got = self._got(wanted)
            happened = f"delivered to {', '.join(got)}" if got else "reached nobody"
            if decision.allowed and got == wanted and acknowledged:
                return Outcome(ALLOWS, happened, self._grounds(device_id, topic, got), right=True)
            event = self._told(mark, device_id)
            right = not got and _agrees(event, decision)
            return Outcome(_verdict(decision), happened, reason_of(event), right)

        return Attempt(device_id, "publishes retained" if retain else "publishes", topic, make)

    def _subscribe(self, device_id: str, topic_filter: str) -> Attempt:
        def make() -> Outcome:
            decision = self._decide(device_id, Action.SUBSCRIBE, topic_filter)
            mark, device = self._clear(), self._fleet[device_id]
            if not device.subscribe(topic_filter):
                event = self._told(mark, device_id)
                return Outcome(_verdict(decision), "refused", reason_of(event), _agrees(event, decision))
            if decision.allowed:
                device.wait_for_message()
            retained = any(message.retained for message in device.inbox)
            happened = "accepted, got retained" if retained else "accepted, got nothing"
            why = f"ok: {self._ground(device_id, Action.SUBSCRIBE, topic_filter)}"
            return Outcome(_verdict(decision), happened, why, decision.allowed and retained)

        return Attempt(device_id, "subscribes to", topic_filter, make)

    def _will(self, device_id: str, topic: str) -> Attempt:
        def make() -> Outcome:
            decision = self._decide(device_id, Action.PUBLISH, topic)
            reason = Reason.OK if decision.allowed else Reason.WILL_NOT_GRANTED
            credentials = self._site.credentials(device_id, self._broker.port)
            return self._refused(Device(credentials, client_id=f"{device_id}/b", will=topic), reason)

        return Attempt(device_id, "leaves a will on", topic, make)

    # What is denied to everybody: the rules of enforcement 1 and 2 say

    def _stolen_id(self, device_id: str, victim: str) -> Attempt:
        def make() -> Outcome:
            thief = Device(self._site.credentials(device_id, self._broker.port), client_id=victim)
            outcome = self._refused(thief, Reason.CLIENT_ID_MISMATCH)
            unharmed = self._fleet[victim].catch_up()
            happened = f"{outcome.happened}, {victim} {'unharmed' if unharmed else 'was thrown out'}"
            return Outcome(DENIES, happened, outcome.why, outcome.right and unharmed)

        return Attempt(device_id, "connects as", victim, make)

    def _no_certificate(self) -> Attempt:
        def make() -> Outcome:
            credentials = self._site.credentials("thermo-1", self._broker.port)
            return self._refused(Device(credentials, shows_certificate=False), Reason.CERTIFICATE_MISSING)

        return Attempt(_PRETENDER, "connects", "without a certificate", make)

    def _foreign_certificate(self, device_id: str) -> Attempt:
        def make() -> Outcome:
            forged = self._site.forged(device_id, self._broker.port)
            return self._refused(Device(forged), Reason.CERTIFICATE_UNTRUSTED)

        return Attempt(_PRETENDER, "connects as", f"{device_id}, forged", make)

    def _revoke(self, device_id: str) -> Attempt:
        def make() -> Outcome:
            mark = self._clear()
            self._site.run_command("device", "revoke", device_id, "--why", "key-compromise")
            gone = self._fleet[device_id].wait_until_gone()
            event = self._told(mark, device_id)
            right = gone and event is not None and event["reason"] == Reason.CERTIFICATE_REVOKED
            happened = f"cut {self._delay(event)} ms later" if gone and event is not None else "stays connected"
            return Outcome(DENIES, happened, reason_of(event), right)

        return Attempt(device_id, "is revoked", "while connected", make)

    def _revoked_comes_back(self, device_id: str) -> Attempt:
        def make() -> Outcome:
            credentials = self._site.credentials(device_id, self._broker.port)
            return self._refused(Device(credentials), Reason.CERTIFICATE_REVOKED)

        return Attempt(device_id, "connects", "again", make)

    def _refused(self, device: Device, reason: Reason) -> Outcome:
        mark = self._clear()
        with closing(device):
            admitted = device.connect()
        event = None if admitted else self._told(mark)
        right = event is not None and event["reason"] == reason
        happened = "let in" if admitted else "refused"
        return Outcome(DENIES, happened, reason_of(event), right)

    # Asking

    def _decide(self, device_id: str, action: Action, topic: str) -> Decision:
        return decide(self._compiled.rights(device_id), action, topic)

    def _receivers(self, topic: str) -> list[str]:
        """Who must get a message: who is subscribed, and may receive it."""
        return [
            device_id
            for device_id, device in self._fleet.items()
            if any(matches(item, topic) for item in device.filters)
            and self._decide(device_id, Action.RECEIVE, topic).allowed
        ]

    def _clear(self) -> int:
        for device in self._fleet.values():
            device.inbox.clear()
        return self._broker.mark()

    def _got(self, wanted: list[str]) -> list[str]:
        """Who really got a message: who should gets the time for it, and then everybody's inbox is complete."""
        for device_id in wanted:
            self._fleet[device_id].wait_for_message()
        return [device_id for device_id, device in self._fleet.items() if device.catch_up() and device.inbox]

    def _told(self, mark: int, device_id: str | None = None) -> Event | None:
        """What the broker reported since: the refusal of this device, or of a connection of nobody's."""

        def concerns(event: Event) -> bool:
            return event["kind"] in _TELLING and device_id in (None, event.get("device"))

        return self._broker.wait_for(mark, concerns, PATIENCE)

    def _grounds(self, device_id: str, topic: str, receivers: list[str]) -> str:
        """The lines of the policy that allow it, and its conduits to receivers in other segments."""
        segment_of = self._compiled.membership.segment_of
        foreign = [receiver for receiver in receivers if segment_of(receiver) != segment_of(device_id)]
        crossings = [self._ground(receiver, Action.RECEIVE, topic) for receiver in foreign]
        return "ok: " + "; ".join([self._ground(device_id, Action.PUBLISH, topic), *crossings])

    def _ground(self, device_id: str, action: Action, topic: str) -> str:
        """The one line that allows one thing."""
        explanation = explain(self._compiled, device_id, action, topic)
        rule = explanation.decision.rule
        what = f"conduit {explanation.conduit}" if explanation.conduit else rule.filter if rule else ""
        return short(f"{what} ({rule.source})") if rule else what

    def _delay(self, event: Event) -> int:
        """Milliseconds from the new revocation list to the cut."""
        listed = (self._site.root / "certs" / "ca.crl").stat().st_mtime
        return max(0, round((datetime.fromisoformat(event["time"]).timestamp() - listed) * 1000))

    def _last_words(self) -> str:
        return reason_of(self._broker.wait_for(0, lambda event: event["kind"] in _TELLING, 1.0))


def _verdict(decision: Decision) -> str:
    return ALLOWS if decision.allowed else DENIES


def _agrees(event: Event | None, decision: Decision) -> bool:
    return event is not None and not decision.allowed and event["reason"] == decision.reason
