"""A Flask app that does nothing: what the server in front of it costs, and so the measure of what we add."""

from flask import Flask

app = Flask(__name__)


@app.route("/voice/event", methods=["GET", "POST"])
def event() -> str:
    """Do nothing."""
    return ""
