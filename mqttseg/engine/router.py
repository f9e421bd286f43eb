"""Who gets a message: subscriptions, and a cache of receivers per topic that is never wrong.

Owns the subscriptions of all sessions, and the receivers of each recent topic. A change of one subscription forgets
exactly the cached topics that its filter matches, by walking a tree of them: churn in one corner leaves the rest
warm. A walk that would take long forgets them all instead: as right, and it bounds what one SUBSCRIBE costs. Connects
and disconnects change nothing here: a receiver is a session, present or absent. Refuses to know how a message is
delivered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mqttseg.engine.session import Session
from mqttseg.engine.topictree import TooManyNodes, TopicTree
from mqttseg.policy.filtertree import FilterTree

CACHED_LENGTH: Final = 256
CACHED_LEVELS: Final = 32
"""Longer and deeper topics are routed without the cache, so that its memory is bounded by its entries."""
WALK: Final = 1_000
"""The changes of one packet visit so many nodes of the cache, together: there may be a thousand of them."""


class Route:
    """The receivers of one topic: all of them for QoS 0, with their granted QoS for the others."""

    __slots__ = ("grants", "receivers", "topic")

    def __init__(self, topic: str, found: dict[Session, int]) -> None:
        self.topic = topic
        self.receivers = tuple(found)
        self.grants = tuple(found.items())


class Router:
    """Subscriptions in, receivers out. ``routes`` is for reading only: a hit there saves the call."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._filters: FilterTree[Session] = FilterTree()
        self._cached: TopicTree[str] = TopicTree()
        self.routes: dict[str, Route] = {}

    def subscribe(self, session: Session, *requests: tuple[str, int]) -> None:
        """Add subscriptions, filter and QoS, or replace the identical ones [MQTT-3.8.4-3]."""
        wanted = dict(requests)  # of the same filter twice, the later one stands
        changed = [topic_filter for topic_filter, qos in wanted.items() if session.filters.get(topic_filter) != qos]
        for topic_filter in changed:
            session.filters[topic_filter] = wanted[topic_filter]
            self._filters.put(topic_filter, session, wanted[topic_filter])
        self._invalidate(changed)

    def unsubscribe(self, session: Session, *filters: str) -> None:
        """Remove the subscriptions with these very filters [MQTT-3.10.4-1], as far as there are any."""
        gone = [topic_filter for topic_filter in filters if session.filters.pop(topic_filter, None) is not None]
        for topic_filter in gone:
            self._filters.remove(topic_filter, session)
        self._invalidate(gone)

    def route(self, topic: str) -> Route:
        """The receivers of this topic, from the cache when they are there."""
        route = self.routes.get(topic)
        if route is None:
            route = Route(topic, self._filters.match(topic))
            if len(topic) <= CACHED_LENGTH and topic.count("/") < CACHED_LEVELS:
                self._remember(route)
        return route

    def _remember(self, route: Route) -> None:
        if len(self.routes) >= self._bound:
            self._forget(next(iter(self.routes)))
        self.routes[route.topic] = route
        self._cached.put(route.topic, route.topic)

    def _forget(self, topic: str) -> None:
        del self.routes[topic]
        self._cached.remove(topic)

    def _forget_all(self) -> None:
        self.routes.clear()  # not a new one: connections hold it
        self._cached = TopicTree()

    def _invalidate(self, filters: Sequence[str]) -> None:
        wild = [topic_filter for topic_filter in filters if "+" in topic_filter or "#" in topic_filter]
        try:
            matching = {topic for each in wild for topic in self._cached.match(each, WALK // len(wild))}
        except TooManyNodes:
            self._forget_all()
            return
        for topic in matching.union(filters):
            if topic in self.routes:
                self._forget(topic)
