"""Conversations as operators see them: lists, names, histories, and where an answer can go.

Everything is folded from the followed log or computed from the state; nothing here knows who is connected.
"""
