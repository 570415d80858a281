"""What web chat and desk share: sockets, signed tokens, uploads, rate limits, error pages."""
