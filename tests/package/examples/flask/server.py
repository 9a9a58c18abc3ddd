from flask import Flask, jsonify, request

app = Flask(__name__)


@app.get("/answer")
def answer():
    menu = {"action": "talk", "text": "For sales press 1.", "bargeIn": True}
    return jsonify([menu, {"action": "input", "type": ["dtmf"], "dtmf": {"maxDigits": 1}}])


@app.post("/event")
def event():
    if "dtmf" not in request.json:
        return ""
    sales = {"action": "connect", "from": "442079460000", "endpoint": [{"type": "phone", "number": "447700900301"}]}
    goodbye = {"action": "talk", "text": "Goodbye."}
    return jsonify([sales if request.json["dtmf"]["digits"] == "1" else goodbye])
