"""A script for framework estimators: its metric is best where rate is 0.3 and kind is b."""

import argparse
import json
import os
import pathlib
import signal
import time

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
parser.add_argument("--depth", type=int)
parser.add_argument("--kind")
parser.add_argument("--bonus", type=float)
parser.add_argument("--sleep", type=float, default=0)
given = parser.parse_args()
base = float(pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "base.txt").read_text())
if given.sleep:
    # Its end takes the whole grace, so that its job is seen Stopping.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(given.sleep)
score = base + given.bonus - abs(given.rate - 0.3) - 0.01 * given.depth + (given.kind.strip('"') == "b")
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps(vars(given)))
print(f"validation:score={score};", flush=True)
