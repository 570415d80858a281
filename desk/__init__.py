"""The operators' HTTP and WebSocket API, the console and its read models."""
