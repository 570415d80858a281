"""The runtime around adapters: intake (door), sending (worker), the context, and supervision (runner)."""
