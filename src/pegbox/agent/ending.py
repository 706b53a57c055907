"""The end of an attempt: its outcome, its packed artifacts, its result on disk, its ``finished`` event."""

from __future__ import annotations

import os
import time

from pegbox.agent import archives, memory, outcome, packing, points, processes
from pegbox.agent.durable import read_object, write_new, write_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pegbox.agent.attempt import Attempt
    from pegbox.agent.program import Program

_LOST = (
    "the agent of this attempt was killed while its program ran, and the program has ended since: "
    "nobody knows how (a program can leave /opt/ml/output/success as the sign that it completed)"
)


class Ending:
    """Concludes one attempt; exactly one of its methods does so."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def was_reached(self) -> bool:
        """Whether an earlier agent concluded it; then what it left is reported."""
        spool = self._attempt.spool
        if spool.finished is None:
            result = read_object(self._result_path)
            if result is None or result.get("kind") != "finished" or not self._still_true(result):
                return False
            spool.add({name: value for name, value in result.items() if name != "boot"})
        self._attempt.flush()
        self.clear_up()
        return True

    @staticmethod
    def _still_true(result: dict[str, Any]) -> bool:
        """Whether what the result says is staged is so: a power cut may have taken what was not on disk yet."""
        if result.get("boot") == processes.boot_id():
            return True
        for artifact in result["artifacts"].values():
            staged = artifact and artifact["staged"]
            if staged and os.path.exists(staged) and archives.content_hash(staged) != artifact["sha256"]:
                return False
        return True

    def failed(self, failure_class: str, message: str) -> None:
        """Nothing ran, or nothing can be known."""
        lost = failure_class == "InternalServerError"
        self.conclude("lost" if lost else "failed", outcome.failure(failure_class, message))

    def stopped_early(self) -> None:
        """It was told to stop before the program was started."""
        self.conclude("stopped", None, stop_reason=self._attempt.stop_reason)

    def of_program(self, command: str) -> None:
        """The program ran and no process of it is left."""
        attempt = self._attempt
        program = attempt.program
        assert program is not None
        if attempt.order.get("refused"):
            # Its key went while the program ran: nothing may be packed in the clear.
            self.failed("ClientError", attempt.order["refused"])
            return
        word, failure = self._judge(program, command)
        artifacts: dict[str, Any] = {"model": None, "output": None}
        if word != "lost":
            attempt.emit("uploading")
            try:
                artifacts = self._pack(with_model=word != "failed")
            except OSError as error:
                word = "lost"
                failure = outcome.failure(
                    "InternalServerError", f"the artifacts could not be packed: {error.strerror or error}"
                )
        points.reach("packed")
        self.conclude(
            word,
            failure,
            stop_reason=attempt.stop_reason if word == "stopped" else None,
            exit_code=program.exit_code,
            signal=program.signal,
            artifacts=artifacts,
            unmatched=attempt.output.unmatched() if word in ("completed", "stopped") else None,
        )

    def _judge(self, program: Program, command: str) -> tuple[str, dict[str, Any] | None]:
        attempt = self._attempt
        if attempt.stop_sent:
            return "stopped", None
        if program.exit_code == 0 or (not program.status_known and outcome.says_success(attempt.tree)):
            self._leave_word("success", "")
            return "completed", None
        if program.status_known:
            message = outcome.describe(program, attempt.tree, attempt.log, command)
            self._leave_word("failure", message)
            return "failed", outcome.blamed(message)
        own_words = outcome.failure_file(attempt.tree)
        if own_words:
            return "failed", outcome.blamed(own_words)
        return "lost", outcome.failure("InternalServerError", _LOST)

    def _leave_word(self, name: str, text: str) -> None:
        """Write ``output/success`` or ``output/failure`` as the training toolkit does, unless the program did."""
        path = f"{self._attempt.tree}/output/{name}"
        if not (name == "failure" and outcome.failure_file(self._attempt.tree)):
            try:  # noqa: SIM105 - contextlib is slow to import
                write_new(path, text.encode())
            except OSError:
                pass  # A courtesy; the outcome is in the event.

    def _pack(self, *, with_model: bool) -> dict[str, Any]:
        attempt = self._attempt

        def notice(text: str) -> None:
            attempt.emit("notice", text=text)

        def packed(name: str, folder: str) -> dict[str, Any]:
            target = f"{attempt.directory}/staging/{name}.tar.gz"
            key = (attempt.order.get("seals") or {}).get(name)
            if key is None:
                return packing.pack(folder, target, attempt.tick, notice)
            in_memory = f"{attempt.directory}/opt/staging/{name}.tar.gz"
            return memory.sealed(packing.pack(folder, in_memory, attempt.tick, notice), target, key)

        data = f"{attempt.tree}/output/data"
        return {
            "model": packed("model", f"{attempt.tree}/model") if with_model else None,
            "output": None if packing.is_empty(data) else packed("output", data),
        }

    def conclude(
        self,
        word: str,
        failure: dict[str, Any] | None,
        *,
        stop_reason: str | None = None,
        exit_code: int | None = None,
        signal: int | None = None,
        artifacts: dict[str, Any] | None = None,
        unmatched: dict[str, list[str]] | None = None,
    ) -> None:
        """Write the result, then report it."""
        attempt = self._attempt
        event = {
            "kind": "finished",
            "at": time.time(),
            "outcome": word,
            "stop_reason": stop_reason,
            "exit_code": exit_code,
            "signal": signal,
            "failure": failure,
            "artifacts": artifacts or {"model": None, "output": None},
            "unmatched": unmatched,
        }
        # What came before the end is on disk before the end is. A full disk is waited out: without the result on disk
        # nothing may be reported.
        while not self._keep(event):
            attempt.wait_for_room()
        points.reach("result")
        attempt.spool.add(event)
        while attempt.spool_is_behind():
            attempt.wait_for_room()
        points.reach("sent")
        self.clear_up()

    def clear_up(self) -> None:
        """Everything worth keeping is packed: the tree goes while the server commits."""
        try:
            memory.forget(self._attempt.directory)
        except OSError:
            return  # The server tries again when it discards the attempt.

    def _keep(self, event: dict[str, Any]) -> bool:
        try:
            self._attempt.spool.write()
            # With a server there, its commit makes the end durable, sooner than this disk would: a sync costs as much as a
            # short program. Without one, only this file knows.
            record = {**event, "boot": processes.boot_id()}
            write_object(self._result_path, record, sync=not self._attempt.server_is_there())
        except OSError:
            return False
        return True

    @property
    def _result_path(self) -> str:
        return f"{self._attempt.directory}/result.json"
