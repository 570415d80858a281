"""Kamailio as a source: events over evapi, wishes over HTTP, with deploy/kamailio/trunkline.cfg on its side."""

from adapters.sip.kamailio.source import Kamailio

__all__ = ["Kamailio"]
