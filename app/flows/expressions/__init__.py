"""The holes of a call flow: Jinja expressions in its texts, filled when somebody calls.

https://jinja.palletsprojects.com/en/stable/templates/#expressions

Whoever writes a flow is trusted, but no more than needed; whoever calls is not. So what an expression may do is listed
here, all of it, and nothing leads from it to Python: `.` and `[ ]` give items of what Vonage sent, never attributes of
objects. What callers send stays what it is: a text does not become a number, a list, an action or SSML, and nobody's
text makes an expression use more memory or time than a text of 10,000 characters is worth. Where to look:

    a text with expressions    expression (read from the file, filled for a call, safe to be said)
    one of them                part (made ready, run for a call, and what it lacked)
    what it may ask for        asked_for (names, and what of Jinja is taken: looked at before anybody calls)
    what it may do             sandbox (items, methods, operators), filters (filters and tests)
    what may come of it        values (how long, how many, how deep; what is not there)
    what is wrong with it      fault
"""
