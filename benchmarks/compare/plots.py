"""Results as pictures: for each scenario, the brokers beside each other, with the spread of their rounds."""

from __future__ import annotations

import statistics
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

from benchmarks.compare.turns import Results

_COLOURS = {
    "mqttseg": "#0b6e4f",
    "mqttseg-off": "#6fbf9b",
    "amqtt": "#b5651d",
    "mosquitto": "#34568b",
    "mosquitto-dynsec": "#8fa8cf",
    "nats": "#7a4f9a",
    "aedes": "#c94c4c",
    "relay": "#aaaaaa",
}
_METADATA = {"Date": None, "Creator": None}


def plot(results: Results, path: Path) -> None:
    """One panel for each case."""
    mpl.rcParams["svg.hashsalt"] = results.scenario  # the same file for the same figures
    names = list(results.cases)
    figure, panels = plt.subplots(1, len(names), figsize=(max(4.0, 3.2 * len(names)), 3.4), squeeze=False)
    for panel, case in zip(panels[0], names, strict=True):
        about, unit = results.cases[case]
        there = [broker for broker in results.brokers if results.of(case, broker)]
        rounds = [[turn.found.value for turn in results.of(case, broker)] for broker in there]
        medians = [statistics.median(values) for values in rounds]
        low = [median - min(values) for median, values in zip(medians, rounds, strict=True)]
        high = [max(values) - median for median, values in zip(medians, rounds, strict=True)]
        colours = [_COLOURS.get(broker, "#888888") for broker in there]
        panel.barh(there, medians, xerr=(low, high), color=colours, capsize=2, error_kw={"linewidth": 0.8})
        panel.invert_yaxis()
        panel.set_title(about.replace(", ", ",\n", 1), fontsize=8)
        panel.set_xlabel(unit, fontsize=8)
        panel.tick_params(labelsize=7)
        panel.spines[["top", "right"]].set_visible(False)
        panel.locator_params(axis="x", nbins=4)
    figure.suptitle(results.title, fontsize=10)
    figure.tight_layout()
    figure.savefig(path, metadata=_METADATA)
    plt.close(figure)
