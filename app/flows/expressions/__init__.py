"""Expressions in the texts of a call flow: Jinja, filled when somebody calls.

https://jinja.palletsprojects.com/en/stable/templates/#expressions

Authors of flows are trusted, but no more than needed; callers are not. So this package lists all that an expression may
do, and nothing leads from it to Python: `.` and `[ ]` give items of what Vonage sent, never attributes of objects. What
callers send stays what it is: a text does not become a number, a list, an action or SSML, and no text makes an
expression use more memory or time than 10,000 characters need.
"""
