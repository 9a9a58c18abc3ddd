"""Call flows: the answer webhook in, an NCCO out.

A flows file is loaded into the model (`loading`), and calls are answered from that (`flows`). The state of a call is in
the URLs that it is given (`call_state`), for its next webhook may come to another worker.
"""
