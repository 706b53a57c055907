"""A program for generic estimators, as an image's entry point: it trains on, and serves, what lies under /opt/ml."""

import http.server
import json
import os
import pathlib
import sys

config = pathlib.Path(os.environ.get("SM_INPUT_CONFIG_DIR", "/opt/ml/input/config"))
model = pathlib.Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model"), "model.json")


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with what was learned and what was asked."""

    def do_GET(self):
        """Answer to /ping."""
        self.say(b"")

    def do_POST(self):
        """Answer to /invocations."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.say(json.dumps({"learned": json.loads(model.read_text()), "asked": asked}).encode())

    def say(self, body):
        """Send JSON."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if sys.argv[-1] == "serve":
    address = ("127.0.0.1", int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080")))
    http.server.ThreadingHTTPServer(address, Handler).serve_forever()
else:
    given = json.loads((config / "hyperparameters.json").read_text())
    model.write_text(json.dumps({"rate": given["rate"]}))
    print(f"loss: {(float(given['rate']) - 0.3) ** 2 + float(given['offset'])}")
