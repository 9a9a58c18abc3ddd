"""What a caller is told and to whom the call goes: the answer webhook in, an NCCO out.

A flows file is read into a book, and calls are served from the book. What a call has been through goes with it, in the
addresses it is given: its next webhook may come to another worker. Where to look:

    a call                 flows (its first step, then the next by what came back; nothing in it raises)
    what is asked          request (who calls whom, and what came back)
    where it has been      trail (sealed, in the address at which the next step is asked for)
    where it goes          routing (which call gets which flow), hours (is it open), deciding (which step is next)
    what it is given       rendering (a step, filled for one call), served (where it comes from; the last resort)
    what a flow says       book (routes, flows, steps, actions, and how many there may be of them)
    the file it is in      shelf (read anew when it changes), loading (all of it), steps (one step), branches (how steps
                           hang together: where they lead, whether that comes to an end), guessing (what was meant)
    holes in texts         expressions/ (Jinja, and no more of it than a caller may be let near)
    what Vonage takes      table (actions and their options), order (how actions stand to each other),
                           sdk (what the models of Vonage's SDK make of them)
    flows in Python        python_modules (found by name), python_flows (run so that none of them holds up the others)
"""
