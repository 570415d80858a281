"""Channels: the contract, the delivery policy, the conformance kit, one module per channel."""
