"""mqttseg: micro-segmentation for IoT sites on an MQTT broker."""

from importlib.metadata import version

__version__ = version("mqttseg")
