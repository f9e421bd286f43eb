"""The site as a picture: segments, devices, conduits, and what was seen to pass between them.

Owns what is on the map (site_map.py), and how it looks (graphs.py, page.py). Refuses to decide anything (it asks
policy), and to know files, clocks and the command line. Much of what it shows was chosen by devices: each renderer
escapes every text, and trusts none.
"""
