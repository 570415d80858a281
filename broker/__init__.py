"""Everything that runs. Here: what puts a process together (up, node, router_door, http) and what it stands on.

In packages: the bus; routing and projections, which follow the log; channels, backup, settings; monitoring, which
watches them; the command line, the demo, and the scaffold of a new channel.
"""
