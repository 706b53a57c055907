"""A program for generic estimators, as an image's entry point: it reads what the service lays out under /opt/ml."""

import json
import os
import pathlib

config = pathlib.Path(os.environ.get("SM_INPUT_CONFIG_DIR", "/opt/ml/input/config"))
given = json.loads((config / "hyperparameters.json").read_text())
print(f"loss: {(float(given['rate']) - 0.3) ** 2 + float(given['offset'])}")
