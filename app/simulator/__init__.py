"""A Vonage that is not: a carrier that places calls, runs NCCO, and sends the webhooks, with no phone and no internet.

It knows nothing of the server it calls: what truly happened stands in a ledger of its own, so that agreement means
something.
"""
