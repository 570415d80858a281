"""What desk and browser exchange, as structs: docs/desk-protocol.md describes the socket, OpenAPI the rest."""
