"""The senders of a Messaging Service, for a channel that names no number of its own.

Which messages in Twilio's list came to such a channel is not sure from the list alone. Twilio's OpenAPI description
(``twilio_api_v2010.json`` of github.com/twilio/twilio-oai, schema ``api.v2010.account.message``) says of
``messaging_service_sid`` that it may be null, and that a default is assigned where no service is used; its example of a
list has an inbound message that bears one. That every message to a number of the service does is promised nowhere. So
one counts as ours by either: the field, or its number, which is among the service's senders.
https://www.twilio.com/docs/messaging/api/phonenumber-resource, .../shortcode-resource, .../channelsender-resource
"""

from http import HTTPStatus
from typing import Any

from twilio.rest import Client

from adapters.twilio.errors import ApiError

MOST = 400
"""Senders of each kind that a service may have."""

NOT_SHOWN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)


async def read_pool(client: Client, service: str) -> frozenset[str]:
    """Give the phone numbers, short codes and WhatsApp senders, as messages name them; none that the key may not see.

    Raises:
        ApiError, SendError, TwilioException: Twilio does not answer as it should.
    """
    found = client.messaging.v1.services(service)
    numbers = [one.phone_number for one in await _shown(found.phone_numbers)]
    codes = [one.short_code for one in await _shown(found.short_codes)]
    senders = [one.sender for one in await _shown(found.channel_senders)]
    return frozenset(filter(None, [*numbers, *codes, *senders]))


async def _shown(senders: Any) -> list[Any]:  # noqa: ANN401 - the library ships no type information
    try:
        return list(await senders.list_async(limit=MOST))
    except ApiError as exc:
        if exc.status in NOT_SHOWN:
            return []
        raise
