"""What is done about a detection: it is an event, and where the operator said so, the device is put out.

Owns the restraint: not the operator's own quarantines, not the devices that are exempt, and not many devices at once,
for what hits a whole site is more often a mistake in its policy than an attack. Refuses to know the rules.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from mqttseg.broker.quarantine import Quarantines
from mqttseg.errors import OperatorError, Reason
from mqttseg.guard.guard import Guard
from mqttseg.observe.detect.detector import Detection
from mqttseg.observe.detect.settings import Answer, Settings
from mqttseg.observe.events import Event, Kind, Outlet
from mqttseg.observe.watch import Watch
from mqttseg.pki.quarantine import LONGEST_WHY
from mqttseg.policy.membership import glob_matches

log = logging.getLogger(__name__)

HOUR = 3600.0
CERTIFICATES = 3600.0
"""Seconds between two looks at the certificates of who is connected; the first one comes sooner."""

_FIRST = 30.0


class Responder:
    """Tells and answers detections, on the broker's loop."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._put_out: deque[float] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._report: Outlet = _untold
        self._quarantines: Quarantines | None = None
        self._answers: set[asyncio.Task[None]] = set()

    def found(self, detection: Detection) -> None:
        """Take a detection, from any thread; what comes when the broker stops is not answered any more."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, detection)

    async def work(self, guard: Guard, quarantines: Quarantines, watch: Watch, report: Outlet) -> None:
        """Answer from now on, and have the certificates looked at, until cancelled."""
        self._report = report
        self._quarantines, self._loop = quarantines, asyncio.get_running_loop()
        try:
            await asyncio.sleep(_FIRST)
            while True:
                watch.check_certificates(await guard.certificate_ends())
                await asyncio.sleep(CERTIFICATES)
        finally:
            self._loop = None
            await asyncio.gather(*self._answers, return_exceptions=True)  # who was put out must stay out over a restart

    def _take(self, detection: Detection) -> None:
        self._report(_told(detection))
        answer: Answer = getattr(self._settings, detection.rule.replace("-", "_"))
        if answer.quarantine is not None and detection.device is not None and self._quarantines is not None:
            work = self._impose(detection, detection.device, answer.quarantine, self._quarantines)
            task = asyncio.get_running_loop().create_task(work, name=f"put out {detection.device}")
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)

    async def _impose(self, detection: Detection, device: str, seconds: float, quarantines: Quarantines) -> None:
        if device in quarantines.entries:  # whoever put it out chose for how long
            return
        restraint = self._restraint(device)
        if restraint is not None:
            detail = f"not put out: {restraint}"
            self._report(Event(Kind.DETECT, detection.rule, device=device, segment=detection.segment, detail=detail))
            return
        self._put_out.append(self._clock())
        try:
            await quarantines.impose(device, seconds, by=f"detect:{detection.rule}", why=detection.detail[:LONGEST_WHY])
        except OperatorError as error:
            log.exception("a device was not put out")
            self._report(Event(Kind.ERROR, Reason.INTERNAL_ERROR, device=device, detail=f"not put out: {error}"))

    def _restraint(self, device: str) -> str | None:
        """Why not to put it out."""
        if any(glob_matches(glob, device) for glob in self._settings.never_quarantine):
            return "it is exempt by `never_quarantine`"
        now, most = self._clock(), self._settings.quarantine_at_most
        while self._put_out and now - self._put_out[0] >= HOUR:
            self._put_out.popleft()
        if len(self._put_out) >= most:
            return (
                f"{most} devices were within an hour, which is `quarantine_at_most`; look whether the policy is right"
            )
        return None


def _untold(_: Event) -> None:
    """Before work begins there is nobody to tell, and no device."""


def _told(detection: Detection) -> Event:
    return Event(
        Kind.DETECT,
        detection.rule,
        device=detection.device,
        segment=detection.segment,
        address=detection.address,
        detail=detection.detail,
    )
