"""The runtime around adapters: the way in, the way out, the context, and what keeps a channel running."""
