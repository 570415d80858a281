"""The envelope and everything that brings a channel's words into it or out of it. Pure."""
