"""Watching a workspace: alarms and what raises them, who is there and how well, metrics, and what can be reached.

What puts a process together uses it, and it knows nothing of that.
"""
