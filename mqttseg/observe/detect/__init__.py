"""What looks like an attack or a device in trouble, told from events, traffic, and what each device did before.

Values and times in, detections out, bounded memory for each device. Refuses to know threads, files (memory.py alone
writes one) and what is done about a detection.
"""
