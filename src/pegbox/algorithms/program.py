"""The run of a built-in algorithm: its inputs, its log, its failure file."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pegbox.algorithms import hyperparameters
from pegbox.algorithms.data import Reading, Table, read_channel
from pegbox.algorithms.errors import CustomerError
from pegbox.algorithms.hyperparameters import OBJECTIVE, Spec

HOST = "algo-1"
#: Exit codes of a program that the customer's input made fail, and of any other failure.
CUSTOMER_FAULT, OWN_FAULT = 2, 1


class Job:
    """One training job as its program sees it.

    Args:
        base: The ``/opt/ml`` folder.

    Attributes:
        texts: Hyperparameters as given.
        objective: Metric that a tuning job optimises, or None.
        model_dir: Folder for the model.
        output_dir: Folder for further results.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self.texts: dict[str, str] = self._config("hyperparameters")
        self.objective: str | None = self.texts.get(OBJECTIVE)
        self.model_dir = os.path.join(base, "model")
        self.output_dir = os.path.join(base, "output", "data")
        self._inputs: dict[str, Any] = self._config("inputdataconfig")

    def _config(self, name: str) -> dict[str, Any]:
        path = os.path.join(self._base, "input", "config", f"{name}.json")
        try:
            with open(path, encoding="utf-8") as stream:
                content = json.load(stream)
        except FileNotFoundError:
            return {}
        return dict(content)

    @property
    def channels(self) -> list[str]:
        """Names of the channels."""
        return sorted(self._inputs)

    def values(self, specs: Sequence[Spec], aliases: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the hyperparameters; see :func:`pegbox.algorithms.hyperparameters.read_all`."""
        return hyperparameters.read_all(specs, self.texts, self.warn, aliases)

    def table(self, channel: str, how: Reading) -> Table:
        """Return a channel's rows; the channel must be there.

        Raises:
            CustomerError: It is not, or cannot be read.
        """
        if channel not in self._inputs:
            there = ", ".join(self.channels) or "none"
            raise CustomerError(
                f"channel {channel!r} is missing (there is {there}); give it in InputDataConfig"
            )
        said = self._inputs[channel]
        content_type = str(said.get("ContentType") or "")
        folder = os.path.join(self._base, "input", "data", channel)
        if said.get("TrainingInputMode") == "Pipe":
            table = _piped_table(folder, channel, content_type, how)
        else:
            table = read_channel(folder, channel, content_type, how)
        self.say(f"channel {channel}: {table.rows} rows with {table.width} features")
        return table

    def optional_table(self, channel: str, how: Reading) -> Table | None:
        """Return a channel's rows, or None when the job has no such channel."""
        return self.table(channel, how) if channel in self._inputs else None

    def refuse_other_channels(self, *known: str) -> None:
        """Refuse channels that nothing would read.

        Raises:
            CustomerError: There are some.
        """
        others = [name for name in self.channels if name not in known]
        if others:
            raise CustomerError(
                f"channel {', '.join(map(repr, others))} is not known to this algorithm; it reads {', '.join(known)}"
            )

    def say(self, text: str) -> None:
        """Write a line to the log."""
        print(text, flush=True)

    def warn(self, text: str) -> None:
        """Write a warning to the log."""
        self.say(f"[pegbox warning] {text}")

    def quality(
        self, channel: str, name: str, value: float, *, epoch: int | None = None, kind: str = "loss"
    ) -> None:
        """Log a metric in the form of AWS's algorithms.

        Args:
            channel: ``train``, ``validation`` or ``test``.
            name: The metric's name after the colon.
            value: Its value.
            epoch: Epoch that it was measured in, from 0.
            kind: ``loss`` or ``score``.
        """
        when = "" if epoch is None else f" epoch={epoch},"
        self.say(f"#quality_metric: host={HOST},{when} {channel} {name} <{kind}>={value:.12g}")

    def throughput(self, rows: int, started: float) -> None:
        """Log how many records were read per second since a monotonic time."""
        rate = rows / max(time.monotonic() - started, 1e-6)
        self.say(f"#throughput_metric: host={HOST}, train throughput={rate:.6g} records/second")

    def progress(self, done: float) -> None:
        """Log how much of the training is done, from 0 to 1."""
        self.say(f"#progress_metric: host={HOST}, completed {100 * done:.4g} %")


def _piped_table(place: str, channel: str, content_type: str, how: Reading) -> Table:
    """Rows of a pipe channel: its first epoch is kept in a file, because the algorithms go over their data many times.

    Raises:
        CustomerError: See :func:`pegbox.algorithms.data.read_channel`; Parquet needs the ends of its files.
    """
    with tempfile.NamedTemporaryFile(suffix=f"-{channel}") as copy:
        with open(f"{place}_0", "rb") as stream:
            shutil.copyfileobj(stream, copy)
        copy.flush()
        copy.seek(0)
        if copy.read(4) == b"PAR1" or "parquet" in content_type:
            raise CustomerError(
                f"channel {channel!r}: Parquet files cannot be read one after another from a pipe; use InputMode File or FastFile"
            )
        return read_channel(copy.name, channel, content_type, how)


def check_finite(array: np.ndarray, what: str) -> None:
    """Refuse NaN and infinity.

    Raises:
        CustomerError: There is one; with its place.
    """
    bad = np.argwhere(~np.isfinite(array))
    if bad.size:
        place = ", ".join(str(int(index)) for index in bad[0])
        raise CustomerError(f"{what} holds {array[tuple(bad[0])]} at ({place}); give finite numbers only")


def main(arguments: Sequence[str]) -> int:
    """Run an algorithm and return the exit code.

    Args:
        arguments: Its name, and optionally the word ``train``.
    """
    from pegbox.algorithms.registry import NAMES, training_of

    if not arguments or arguments[0] not in NAMES or list(arguments[1:]) not in ([], ["train"]):
        print(f"usage: python -m pegbox.algorithms {{{','.join(NAMES)}}} [train]", file=sys.stderr)
        return CUSTOMER_FAULT
    base = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
    try:
        training_of(arguments[0])(Job(base))
    except CustomerError as error:
        print(f"Customer Error: {error}", flush=True)
        _leave(base, f"ClientError: {error}")
        return CUSTOMER_FAULT
    except Exception as error:
        traceback.print_exc()
        _leave(base, f"{type(error).__name__}: {error}")
        return OWN_FAULT
    return 0


def _leave(base: str, message: str) -> None:
    with open(os.path.join(base, "output", "failure"), "w", encoding="utf-8") as stream:
        stream.write(message[:1000])
