"""Call flows: the answer webhook in, an NCCO out.

A flows file is loaded into the model, and calls are answered from that. The state of a call is in the URLs that it is
given, for its next webhook may come to another worker. Where to look:

    answering a call        flows (its first step, then the next by each result; nothing in it raises)
    requests and replies    request (who calls whom, and the result of an action), reply (the NCCO; the last resort)
    state of a call         call_state (sealed, in the URL of the next step)
    what comes next         routing (which flow), hours (is it open), transitions (which step)
    rendering               rendering (a step, filled and checked for one call)
    the model               model (routes, flows, steps, actions, and how many there may be)
    the flows file          reload (again when it changes), loading (all of it), steps (one step), branches (of `next`),
                            graph (links between steps, and whether calls end), reader (values and faults)
    expressions in texts    expressions/ (Jinja, and only what is safe with what callers send)
    what is let out         schema (actions and options), sequence (their order), ssml (texts), addresses (URLs)
    flows in Python         python_modules (found by name), python_flows (run in threads), python_actions (their result)
"""
