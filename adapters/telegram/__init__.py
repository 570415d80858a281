"""Telegram: bots, by polling or by webhook, read by aiogram or by python-telegram-bot."""

from adapters.telegram.adapter import Telegram

__all__ = ["Telegram"]
