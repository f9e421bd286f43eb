"""What broker tests share: a site on disk, the broker in a thread, and a raw MQTT client that can misbehave."""
