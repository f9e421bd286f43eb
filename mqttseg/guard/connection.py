"""One device's connection: TLS is up, who is it, may it connect, and what passes in either direction.

An asyncio Protocol: no task and no await per packet. Decides nothing itself: identity is pki's, rights are
policy's. Refuses to know how the backend works and which other connections exist (that is the keeper's).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import cast

from mqttseg.errors import InternalError, PeerError, Reason
from mqttseg.guard.admission import Admission, Refusal
from mqttseg.guard.backend import Conversation, Peer
from mqttseg.guard.inflow import PACKETS_PER_TURN, TURN, Inflow
from mqttseg.guard.keepalive import Watchdog
from mqttseg.guard.keeper import Keeper
from mqttseg.guard.limits import TokenBucket
from mqttseg.guard.monitor import Monitor
from mqttseg.guard.opening import Opening
from mqttseg.guard.outflow import Outflow, SlowReader
from mqttseg.guard.ports import Denied
from mqttseg.observe.events import Event, Kind
from mqttseg.observe.flows import Traffic
from mqttseg.pki.identity import Identity
from mqttseg.policy.compiled import Rights
from mqttseg.wire.decode import Decoder
from mqttseg.wire.packets import Connack, Disconnect, Packet, Puback, Publish, Pubrec, Subscribe, Unsubscribe, Will

log = logging.getLogger(__name__)

_COUNTED = frozenset({Publish, Subscribe, Unsubscribe})  # what messages_per_second counts

_RATE = "rate"


class Connection(asyncio.Protocol):
    """A connection that TLS let in. It is a device's once ``identity`` is set, admitted once ``monitor`` is."""

    def __init__(self, guard: Keeper[Connection], address: str, port: int) -> None:
        self._guard = guard
        self._loop = guard.loop
        self.address = address
        self.port = port
        self.identity: Identity | None = None
        self.key: str | None = None
        self.monitor: Monitor | None = None
        self.conversation: Conversation | None = None
        self.will: Will | None = None
        self.closed = False
        self.why: Reason | None = None
        # Ports of the monitor, bound to where they lead: each message goes through both
        self.to_device: Callable[[Packet], None] = _drop
        self.to_backend: Callable[[Packet], None] = _drop
        self._judged_by = guard.compiled
        self._bucket: TokenBucket | None = None
        self._over_rate = 0
        self._postponed: deque[Callable[[], None]] = deque()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is up: establish who this is (rule 1)."""
        self._transport = cast("asyncio.Transport", transport)
        self._decoder = Decoder(from_client=True, max_packet=self._guard.limits.packet)
        self._inflow = Inflow(
            self._decoder,
            self._handle,
            heard=self._heard,
            pause=self._pause_reading,
            yield_turn=self._yield_turn,
            clock=self._loop.time,
        )
        self._outflow = Outflow(self._loop, self._transport, self._guard.limits.write_buffer, self._outflow_full)
        self.to_device = self._outflow.send
        self._watchdog = Watchdog(self._loop, self._guard.limits.connect_timeout, self._fell_silent)
        self._guarded(self._identify)

    def _identify(self) -> None:
        self._judged_by = self._guard.compiled
        self.identity = self._guard.identify(self._transport.get_extra_info("ssl_object"))
        self._guard.connection_made(self)

    def data_received(self, data: bytes) -> None:
        """Judge what came."""
        if not self.closed:
            self._guarded(self._inflow.feed, data)

    def pause_writing(self) -> None:
        """The device reads more slowly than it is sent to (rule 8)."""
        self._outflow.pause()

    def resume_writing(self) -> None:
        """The device took some of what waits for it."""
        self._guarded(self._outflow.resume)

    def _outflow_full(self, full: bool) -> None:
        """As much waits for the device as may, or there is room again."""
        if not full:
            self._report_dropped()
        if self.conversation is not None:
            self.conversation.writable(not full)

    def _report_dropped(self) -> None:
        if self._outflow.dropped:
            detail = "slow reader: QoS 0 messages to it were dropped"
            self.report(Event(Kind.LIMIT, Reason.RATE_LIMIT, count=self._outflow.dropped, detail=detail))
            self._outflow.dropped = 0

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, by whoever's hand. What it sent before counts, a DISCONNECT too (rule 10)."""
        if self.monitor is not None and not self.closed:
            self._guarded(self._take_postponed)
            self._guarded(self._inflow.finish, self._handle_last)
        self._report_dropped()
        self._report_over_rate()
        self._shut()
        if self.monitor is not None:
            self.monitor.harvest()
            self.report(Event(Kind.DISCONNECT, self.why or Reason.OK, detail="" if exc is None else str(exc)))
        self._guard.connection_lost(self)
        self._let_go()

    def _let_go(self) -> None:
        """Hold nothing that refers back: so this is freed now, TLS buffers and all, not when the collector comes."""
        self._watchdog.cancel()
        del self._inflow, self._outflow, self._watchdog
        self.monitor = None
        self.to_device = self.to_backend = _drop

    # Packets from the device

    def _guarded(self, act: Callable[..., None], *args: object) -> None:
        """Do what may find the device at fault; whatever goes wrong ends this connection and no other (rule 9)."""
        try:
            act(*args)
        except Denied as denied:
            self.cut(denied.decision.reason, "the segment disconnects for what is denied")
        except PeerError as error:
            if self.monitor is None:
                self.refuse(error.reason, error.detail, error.device)
            elif error.reason is Reason.PROTOCOL_ERROR:
                self._dismiss(error.detail)
            else:
                self.cut(error.reason, error.detail)
        except SlowReader:
            self._cut_slow_reader()
        except Exception:
            log.exception("a packet could not be judged; its connection ends")
            self.cut(Reason.INTERNAL_ERROR, "see the log")

    def _heard(self) -> None:
        self._watchdog.heard()

    def _yield_turn(self) -> None:
        self._loop.call_soon(self._guarded, self._inflow.take_turn)

    def _handle(self, packet: Packet) -> None:
        if self._judged_by is not self._guard.compiled:
            self._keep_up()
        monitor = self.monitor
        if monitor is None:
            Opening(packet, self, self._guard).begin()
        elif type(packet) is Disconnect:
            self.will = None  # [MQTT-3.14.4-3]
            self.close()
            # Not when TLS has closed, for which a peer may take its time: what comes until then would be sent to
            # nobody, and later with DUP to a device that never saw it [MQTT-3.3.1-1]
            self._guard.leave_session(self)
        else:
            monitor.from_device(packet)
            if self._bucket is not None and type(packet) in _COUNTED:
                self._slow_down(self._bucket.take(self._loop.time()))

    def _handle_last(self, packet: Packet) -> None:
        """Nobody is there to be read more slowly: what is over the rate is not handed on, and what else came is."""
        bucket = self._bucket if type(packet) in _COUNTED else None
        if bucket is not None and (self._over_rate or bucket.wait(self._loop.time())):
            self._over_rate += 1
        else:
            self._handle(packet)
            self._take_postponed()

    def _report_over_rate(self) -> None:
        if self._over_rate:
            detail = "messages_per_second: what it sent over its rate before it left is not handed on"
            self.report(Event(Kind.LIMIT, Reason.RATE_LIMIT, count=self._over_rate, detail=detail))

    def _limit_rate(self, rights: Rights) -> None:
        """What has a rate is taken message by message; of others, many in a row are judged at once."""
        self._bucket = self._guard.bucket(rights)
        self._decoder.gather(PACKETS_PER_TURN if self._bucket is None else 1)

    def _slow_down(self, seconds: float) -> None:
        """Over the rate the device is read more slowly, so that nothing is lost (rule 8, rule 10)."""
        if seconds > 0.0:
            self.hold(_RATE)
            self._loop.call_later(seconds, self.release, _RATE)
            self.report(Event(Kind.LIMIT, Reason.RATE_LIMIT, detail="messages_per_second reached: reading is paused"))

    # The session

    def begin(self, admission: Admission) -> None:
        """The session is this connection's: let the backend answer CONNECT."""
        self._guarded(self._begin, admission)

    def _begin(self, admission: Admission) -> None:
        if self._judged_by is not self._guard.compiled:
            self._keep_up()
        rights = self.rights
        self.will = admission.will
        self._watchdog.expect(self._guard.patience(admission.connect.keep_alive))
        self._limit_rate(rights)
        self.monitor = Monitor(rights, self, max_subscriptions=self._guard.limits.client_subscriptions)
        peer = Peer(rights.device_id, self.address, self.port)
        self.conversation = self._guard.backend.open(admission.connect, peer, self)
        self.to_backend = self.conversation.receive
        self.report(Event(Kind.CONNECT, Reason.OK))
        self.monitor.resume(self.conversation.resumed())
        self.conversation.start()
        self.to_backend = self.conversation.receive  # which may be a more direct one now
        self.monitor.withdraw()
        if self._bucket is not None:
            self._slow_down(self._bucket.wait(self._loop.time()))  # a new connection is no new rate

    def refuse_connect(self, refusal: Refusal) -> None:
        """Tell the device the CONNACK code [MQTT-3.2.2-5], the operator the reason, and nobody else anything."""
        rule = None if refusal.decision is None else refusal.decision.rule
        text = None if rule is None else str(rule)
        self.report(Event(Kind.REFUSE, refusal.reason, action="connect", rule=text, detail=refusal.detail))
        self._outflow.send(Connack(session_present=False, code=refusal.code))
        self.close()

    @property
    def rights(self) -> Rights:
        """What this connection's device may do by the policy of this moment."""
        if self.identity is None:
            raise InternalError("rights were asked for before identity")
        return self._guard.compiled.rights(self.identity.device_id)

    # Ports of the monitor

    def forget(self, packet_id: int) -> None:
        """Have the backend drop an unreleased QoS 2 message, and answer PUBCOMP."""
        if self.conversation is not None:
            self.conversation.forget(packet_id)

    def acknowledge(self, packet: Puback | Pubrec) -> None:
        """Have the backend answer a PUBLISH that it never saw, in its turn."""
        if self.conversation is not None:
            self.conversation.acknowledge(packet)

    def postpone(self, act: Callable[[], None]) -> None:
        """Do this in the next turn of the loop; the device's packets wait for it."""
        self._postponed.append(act)
        self._inflow.hold(TURN)
        self._loop.call_soon(self._guarded, self._go_on)

    def _go_on(self) -> None:
        if not self.closed and self._postponed:
            self._take_one()
            if not self._postponed:
                self._inflow.release(TURN)

    def _take_postponed(self) -> None:
        """Without turns: nobody is there to have caused it any more."""
        while self._postponed and not self.closed:
            self._take_one()

    def _take_one(self) -> None:
        if self._judged_by is not self._guard.compiled:
            self._keep_up()
        self._postponed.popleft()()

    def may_retain(self, topic: str) -> bool:
        """Whether one more retained message fits."""
        return self._guard.may_retain(topic, self.rights.device_id)

    def mute_publisher(self, topic: str, origin: str | None) -> str | None:
        """The publisher of a retained message, if it has lost the right."""
        return self._guard.mute_publisher(topic, origin)

    def passed(self, traffic: Traffic) -> None:
        """Tell what passed."""
        self._guard.traffic.add(traffic)

    def report(self, event: Event) -> None:
        """Report what happened to this device."""
        device = event.device if self.identity is None else self.identity.device_id
        placement = None if device is None else self._guard.compiled.placement(device)
        self._guard.report(
            replace(
                event,
                device=device,
                segment=None if placement is None else placement.segment.name,
                client_id=self.key,
                address=f"{self.address}:{self.port}",
            )
        )

    # Link: the device as the backend sees it

    def send(self, packet: Packet) -> None:
        """Judge what the backend sends (rule 6)."""
        if self.monitor is None or self.closed:
            return
        try:
            if self._judged_by is not self._guard.compiled:
                self._keep_up()
            self.monitor.from_backend(packet)
        except PeerError as error:
            self.cut(error.reason, error.detail)
        except SlowReader:
            self._cut_slow_reader()
        except Exception:
            log.exception("a packet of the backend could not be judged; the connection ends")
            self.cut(Reason.INTERNAL_ERROR, "see the log")

    def subscribed(self, topic_filter: str, qos: int) -> None:
        """The backend subscribed the session by itself."""
        if self.monitor is not None and not self.closed:
            self._guarded(self._learn, self.monitor, topic_filter, qos)

    def _learn(self, monitor: Monitor, topic_filter: str, qos: int) -> None:
        if self._judged_by is not self._guard.compiled:
            self._keep_up()
        monitor.subscribing.learn(topic_filter, qos)

    def hold(self, who: str) -> None:
        """Stop reading the device until ``release``."""
        if not self.closed:
            self._inflow.hold(who)

    def release(self, who: str) -> None:
        """Undo ``hold``."""
        if not self.closed:
            self._watchdog.heard()
            self._guarded(self._inflow.release, who)

    def close(self) -> None:
        """End the connection after what is queued for it was written."""
        if not self.closed:
            self._outflow.flush()
            self._shut()
            self._transport.close()

    # Changes

    def _keep_up(self) -> None:
        """The policy changed since this connection was last judged: from here on the new one counts (rule 7).

        Asked for before anything is decided here, and by ``settle``, so that a change itself costs nobody anything.
        Raises PeerError: the device is nobody of ours any more.
        """
        self.check_name()
        self._judged_by = self._guard.compiled
        if self.monitor is not None:
            rights = self.rights
            self._limit_rate(rights)
            self.monitor.change_rights(rights)

    def check_name(self) -> None:
        """Whether the certificate is of the trust domain in force, should that have changed. Raises PeerError."""
        moved = self._judged_by.policy.trust_domain != self._guard.compiled.policy.trust_domain
        if moved and self.identity is not None:
            self._guard.check_name(self.identity)

    def settle(self) -> int:
        """Keep up with the policy, and withdraw what is no longer allowed; returns how many filters."""
        withdrawn = 0

        def settle() -> None:
            nonlocal withdrawn
            if self._judged_by is not self._guard.compiled:
                self._keep_up()
            if self.monitor is not None:
                withdrawn = self.monitor.settle()

        if not self.closed:
            self._guarded(settle)
        return withdrawn

    # Ends

    def refuse(self, reason: Reason, detail: str, device: str | None = None) -> None:
        """End a connection that was never admitted; ``device`` is whose it says it is."""
        self._abort(Event(Kind.REFUSE, reason, device=device, action="connect", detail=detail))

    def cut(self, reason: Reason, detail: str) -> None:
        """End the connection at once (rule 7, rule 9)."""
        self._abort(Event(Kind.CUT, reason, detail=detail))

    def _dismiss(self, detail: str) -> None:
        """It broke the protocol [MQTT-4.8.0-1]: what was said to it before, as CONNACK, is still written."""
        if not self.closed:
            self.report(Event(Kind.CUT, Reason.PROTOCOL_ERROR, detail=detail))
            self.why = Reason.PROTOCOL_ERROR
            self.close()
            self._guard.leave_session(self)

    def _abort(self, event: Event) -> None:
        if not self.closed:
            self.report(event)
            self.why = event.reason
            self._shut()
            self._transport.abort()

    def _cut_slow_reader(self) -> None:
        self.cut(Reason.RATE_LIMIT, "slow reader: more than twice limits.write_buffer is waiting for it")

    def _shut(self) -> None:
        self.closed = self._inflow.closed = True

    def _fell_silent(self) -> None:
        """Nothing came in time: CONNECT (rule 8), or anything within one and a half keep-alives [MQTT-3.1.2-24]."""
        if self._inflow.waits:  # it is us who do not read
            self._watchdog.heard()
        elif self.monitor is None:
            self.refuse(Reason.PROTOCOL_ERROR, "no CONNECT within limits.connect_timeout")
        else:
            self.cut(Reason.PROTOCOL_ERROR, "silent for one and a half keep-alives")

    def _pause_reading(self, pause: bool) -> None:
        if self._transport.is_closing():
            return
        if pause:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()


def _drop(_: Packet) -> None:
    """Nobody is there, yet or any more."""
