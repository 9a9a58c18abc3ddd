"""A stand-in for Vonage's Client SDK, so that browsers take part in simulated calls.

It has a script with the class, methods, events and errors of `@vonage/client-sdk` 2.3 that a phone needs, and the
WebSocket that the script talks to. Nothing of that package is in here; what it does not document is ours, and says so.

    server        serves script and WebSocket; what a test does to browsers
    connection    one WebSocket: its limits
    tokens        who may have a session
    sessions      the sessions of users, with and without a connection
    requests      what a page requests, checked
    calls         what that does to calls, and the events that pages get
    media         sound; tones and audio_files are what is heard where nobody speaks
    script/       the parts of the script, one behind the other
"""
