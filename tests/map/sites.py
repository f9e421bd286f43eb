"""Sites of any size for maps: a policy, who is enrolled, and what was recorded."""

from __future__ import annotations

import random
from collections.abc import Collection
from datetime import timedelta

from mqttseg.map.site_map import SiteMap, Sources, make_map
from mqttseg.observe.flows import Direction, Flow
from mqttseg.observe.queries import Activity
from mqttseg.observe.shapes import shape_of
from tests.policy.policies import NOW, compiled

POLICY = """
segments:
  hvac:
    description: Heating and ventilation
    members: ["thermo-*"]
    publish: ["hvac/${device}/#"]
    subscribe: ["hvac/${device}/cmd/#"]
    roles:
      controller: {members: ["bms-1"], publish: ["hvac/+/cmd/#"], subscribe: ["hvac/#"]}
  cameras: {members: ["cam-*"]}
  analytics: {members: ["etl-*"]}
conduits:
  telemetry: {from: hvac, to: analytics, topics: ["hvac/+/telemetry/#"]}
  reports: {from: analytics, to: hvac/controller, topics: ["analytics/report"]}
"""


def flow(device: str, direction: Direction, topic: str, count: int = 5, observed: int = 0) -> Flow:
    """A flow that one topic makes."""
    seen = NOW - timedelta(hours=1)
    return Flow(device, None, direction, shape_of(topic, device), topic, count, 20 * count, observed, seen, NOW)


def small_site(enrolled: Collection[str] | None = ("thermo-1", "thermo-2", "cam-1")) -> SiteMap:
    """Three segments: a thermostat at work, one that is silent, a camera that pries, a collector nobody enrolled."""
    flows = [
        flow("thermo-1", Direction.PUBLISH, "hvac/thermo-1/telemetry/temp", 40),
        flow("etl-1", Direction.RECEIVE, "hvac/thermo-1/telemetry/temp", 40),
        flow("cam-1", Direction.PUBLISH, "hvac/thermo-1/cmd/off", 3, observed=3),
    ]
    activity = [Activity("cam-1", NOW, 7), Activity("stranger", NOW, 1)]
    return make_map(compiled(POLICY), Sources(flows, activity, enrolled), NOW)


def large_site(devices: int, segments: int) -> SiteMap:
    """So many devices in so many segments, some silent, some strangers, some prying; the same each time."""
    chance = random.Random(7)
    names = [f"zone{number}" for number in range(segments)]
    text = "segments:\n" + "".join(f'  {name}: {{members: ["{name}-*"]}}\n' for name in names) + "conduits:\n"
    for number in range(1, segments):
        text += f"  to-{number}: {{from: {names[number]}, to: {names[0]}, topics: ['{names[number]}/+/data/#']}}\n"
    flows, activity, enrolled = list[Flow](), list[Activity](), set[str]()
    for number in range(devices):
        zone = chance.choice(names)
        device = f"{zone}-{number:03}"
        enrolled |= {device} if chance.random() < 0.95 else set()
        if chance.random() < 0.9:
            flows.append(flow(device, Direction.PUBLISH, f"{zone}/{device}/data/temp", chance.randint(1, 9000)))
        if zone == names[0] and chance.random() < 0.3:
            other = chance.choice(names[1 : 1 + segments // 2])
            flows.append(flow(device, Direction.RECEIVE, f"{other}/x/data/temp", chance.randint(1, 99999)))
        if chance.random() < 0.03:
            activity.append(Activity(device, NOW, chance.randint(1, 500)))
            flows.append(flow(device, Direction.PUBLISH, f"{chance.choice(names)}/attack", 2, observed=2))
    return make_map(compiled(text), Sources(flows, activity, enrolled), NOW)
