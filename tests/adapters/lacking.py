"""A channel whose provider's library is not installed."""

import a_library_of_a_provider  # type: ignore[import-not-found]  # it does not exist

Telegram = a_library_of_a_provider.Telegram
