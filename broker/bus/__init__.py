"""The bus: NATS JetStream as Trunkline uses it. The only package that imports nats-py."""
