"""What every channel must do, written once, whatever protocol its provider speaks; see docs/adapters.md."""

from adapters.testing.incoming import InboundProofs
from adapters.testing.outgoing import OutboundProofs
from adapters.testing.rig import P
from adapters.testing.whole import WholeProofs


class AdapterContract(InboundProofs[P], OutboundProofs[P], WholeProofs[P]):
    """Derive a test class from it: ``class TestPigeon(AdapterContract[PigeonPost])``.

    What to give stands in :class:`adapters.testing.hooks.Hooks`; about 40 lines for a channel. What is proven:

    * in: an event gives exactly what its case says; its native id is the same whenever and in whatever order it comes;
      it is acknowledged only after the store has it, and comes again otherwise; ten at once are ten; damaged input and
      refused envelopes do not stop the next one; forged requests are refused;
    * out: each trouble of a provider has the right outcome, and an adapter never tries twice by itself; a conversation
      keeps its order and does not keep others; the provider's limits are kept; no text is longer, no file bigger, no
      button more than declared, and nothing is lost;
    * as a whole, in every test: secrets stand in no log line, exception or setting that is printed; nothing connects to
      another machine; ``run`` survives every event, ends when cancelled, ``close`` ends, both in time and with no task
      left behind.
    """
