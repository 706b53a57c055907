"""Deterministic simulation of the engine: one seed is one schedule of work, clients, faults and crashes.

Run ``python -m pegbox.testing.simulation --seeds 1000``. The real engine runs on a fake clock, a simulated machine, an
in-memory store that sometimes refuses a commit, and a suggester on the fake clock. At labelled points between two instructions
the engine is thrown away and another one recovers. After every step the invariants are checked. A failing seed is printed and
replays with ``--start SEED --seeds 1``.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pegbox.domain.names import Realm
from pegbox.engine import EnginePolicy
from pegbox.engine.commands import Commands
from pegbox.engine.controller import Controller
from pegbox.engine.faultpoints import POINTS, set_hook
from pegbox.engine.handlers import (
    AddTags,
    Command,
    DeleteTraining,
    DeleteTuning,
    StopTraining,
    StopTuning,
)
from pegbox.engine.hosting.commands import HostingCommands
from pegbox.engine.parts import Parts
from pegbox.errors import ApiError, ResourceInUse, ValidationException
from pegbox.executors.simulated import Faults, SimulatedExecutor, SimulatedMachine
from pegbox.ports.store import JobStore, Page
from pegbox.testing.fake_clock import FakeClock
from pegbox.testing.hosting_simulation import HostingOwner, HostingWatcher, unsettled
from pegbox.testing.invariants import InvariantBroken, Watcher, unfinished
from pegbox.testing.memory_store import MemoryStore
from pegbox.testing.simulated_ports import (
    FlakyStore,
    SimulatedArtifacts,
    SimulatedLogs,
    SimulatedSuggester,
    Strategy,
    cheap_strategy,
)
from pegbox.testing.simulated_routes import SimulatedGateway, SimulatedRoutes
from pegbox.testing.simulated_searches import (
    check_replays,
    child_request,
    telltale_strategy,
    with_several_definitions,
)

SECRET = b"simulated secret of 32 bytes ...."
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/pegbox-simulated:latest"
#: Steps after which a schedule counts as stuck.
MAX_STEPS = 4000


class SimulatedCrash(BaseException):
    """The server's process ends here, whatever it was doing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dangers:
    """How often the server itself is in trouble."""

    crash: float = 0.15
    refused_commit: float = 0.02
    wall_jump: float = 0.01


@dataclass(slots=True)
class Outcome:
    """What one seed did."""

    seed: int
    steps: int = 0
    crashes: int = 0
    refused: int = 0
    checks: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    trials: int = 0
    #: Trials whose values were computed again from the store.
    replayed: int = 0


class World:
    """One schedule: the machine and the store that last, and the engine that comes and goes."""

    def __init__(
        self,
        seed: int,
        *,
        dangers: Dangers | None = None,
        faults: Faults | None = None,
        strategy: Strategy = cheap_strategy,
        policy: EnginePolicy | None = None,
        store: JobStore | None = None,
    ) -> None:
        self.seed = seed
        #: Whether the owner has endpoints besides jobs.
        self.has_endpoints = seed % 8 == 3
        self.rng = random.Random(seed)
        self.dangers = dangers or Dangers()
        self.clock = FakeClock()
        self.machine = SimulatedMachine(self.clock, random.Random(seed + 1), faults or Faults())
        self.artifacts = SimulatedArtifacts(self.machine)
        self.gateway = SimulatedGateway(self.clock, random.Random(seed + 3))
        self.store = FlakyStore(store or MemoryStore(), random.Random(seed + 2), self.dangers.refused_commit)
        self.strategy = strategy
        self.parts = Parts(
            store=self.store,
            artifacts=self.artifacts,
            clock=self.clock,
            secret=SECRET,
            realm=Realm(),
            policy=policy or simulated_policy(),
        )
        self.watcher = Watcher(self.machine, self.artifacts.published)
        self.endpoints = HostingWatcher(self.machine, self.gateway)
        self.outcome = Outcome(seed)
        self.wake: float | None = None
        self._crash_at: tuple[str, int] | None = None
        #: Futures of the living engine's commands with what is to be done when they are answered.
        self._open: list[tuple[Future[Any], Callable[[], None]]] = []
        with self.store_that_works() as transaction:
            transaction.set_image(IMAGE, {"kind": "command", "command": ["/bin/true"]})
        self.boot()

    def store_that_works(self) -> Any:
        """Return a transaction that is never refused."""
        return self.store._store.transaction()

    def boot(self) -> None:
        """Start a new engine on what is left."""
        self.executor = SimulatedExecutor(self.machine)
        share = 0.02 if self.dangers.crash else 0.0
        self.suggester = SimulatedSuggester(self.clock, self.rng, self.strategy, faults=share)
        self.routes = SimulatedRoutes(self.gateway)
        logs = SimulatedLogs()
        self.controller = Controller(
            self.parts, self.executor, self.suggester, logs, serving_logs=logs, routes=self.routes
        )
        self.commands = Commands(self.parts, self.controller.post)
        self.hosting = HostingCommands(self.parts, self.controller.post)
        self.executor.open(self.controller.report)
        self.routes.open(self.controller.drained)
        self._open.clear()
        self.wake = self.clock.monotonic()

    def post(self, action: Any, answered: Callable[[], None] = lambda: None) -> Future[Any]:
        """Send a command; ``answered`` is called when it succeeded."""
        future = self.controller.post(Command(action))
        self._open.append((future, answered))
        return future

    def step(self) -> None:
        """Let time pass to the next event, deliver, and run one step of the engine."""
        self._pass_time()
        self.suggester.deliver()
        self.executor.deliver()
        self.routes.deliver()
        self._arm()
        try:
            self.wake = self.controller.step()
        except SimulatedCrash:
            self.outcome.crashes += 1
            self._settle_answers()
            self.executor.close()
            self.routes.close()
            self.boot()
        finally:
            set_hook(None)
        self._settle_answers()
        self.watcher.check(self.store.reader)
        self.endpoints.check(self.store.reader)
        self.outcome.steps += 1

    def settle(self) -> None:
        """Run steps until nothing is left to happen.

        Raises:
            InvariantBroken: An invariant did not hold, or the schedule did not come to an end.
        """
        while not self.quiet():
            if self.outcome.steps >= MAX_STEPS:
                raise InvariantBroken(f"stuck: {unfinished(self.store.reader)} after {MAX_STEPS} steps")
            self.step()

    def do(self, action: Any) -> Any:
        """Send a command, run steps until it is answered, and return its result or raise its error."""
        future = self.post(action)
        while not future.done():
            self.step()
        return future.result()

    def quiet(self) -> bool:
        """Return whether nothing is left to happen."""
        waits = (self.machine.next_time(), self.suggester.next_time(), self.routes.next_time())
        reader = self.store.reader
        left = unfinished(reader) or unsettled(reader)
        return not left and all(at is None for at in waits) and not self._open

    def _pass_time(self) -> None:
        now = self.clock.monotonic()
        times = [
            self.machine.next_time(),
            self.suggester.next_time(),
            self.routes.next_time(),
            self.wake,
        ]
        if self.controller.waiting():
            times.append(now)
        following = min((at for at in times if at is not None), default=now + 1.0)
        self.clock.advance(max(0.0, following - now) + self.rng.uniform(0.0, 0.05))
        if self.rng.random() < self.dangers.wall_jump:
            self.clock.set_wall(timedelta(hours=self.rng.choice((-1, 1))))

    def _arm(self) -> None:
        if self.rng.random() >= self.dangers.crash:
            return
        # Points that only endpoints pass would be crashes less where there are none.
        points = POINTS if self.has_endpoints else [item for item in POINTS if "routes" not in item]
        label, left = self.rng.choice(points), self.rng.choice((1, 1, 1, 2, 3))

        def hook(passed: str) -> None:
            nonlocal left
            if passed == label:
                left -= 1
                if left == 0:
                    raise SimulatedCrash(label)

        set_hook(hook)

    def _settle_answers(self) -> None:
        for future, answered in list(self._open):
            if future.done():
                self._open.remove((future, answered))
                problem = future.exception()
                # A creation that was never answered is sent again and then finds its own job.
                known = "already existing" in str(problem)
                if problem is None or isinstance(problem, ResourceInUse) or known:
                    answered()
                elif not isinstance(problem, ApiError):
                    raise InvariantBroken(f"a command met {problem!r}")


#: A server without trouble, and programs and agents that do what they should.
NO_DANGERS = Dangers(crash=0.0, refused_commit=0.0, wall_jump=0.0)
NO_FAULTS = Faults(
    fail=0, internal=0, lost=0, undead=0, silent=0, not_finite=0, repeated=0, shuffled=0, delayed=0
)


class Client:
    """Plays the owner: creates jobs, stops some, deletes some, tags some, and tries again what went unanswered."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = world.rng
        #: (earliest step, what to do), in order.
        self.plans: list[tuple[int, Callable[[], None]]] = []
        for index in range(self.rng.randint(1, 3)):
            request = with_several_definitions(self.rng, tuning_request(self.rng, f"job{index}"))
            request = with_early_stopping(self.rng, request)
            self._later(index * 3, self._creator(f"job{index}", request))
        for index in range(self.rng.choice((0, 0, 1, 2))):
            self._later(2, self._training_creator(f"solo{index}"))
        for index in range(self.rng.choice((0, 0, 1, 2))):
            self._later(self.rng.randint(5, 60), self._child_creator(f"child{index}"))
        for _ in range(self.rng.choice((0, 1, 2, 4))):
            self._later(self.rng.randint(1, 60), self._mischief)
        if world.has_endpoints:
            world.gateway.lost = 0.1
            HostingOwner(
                random.Random(world.seed + 4),
                world.post,
                self._later,
                lambda: world.store.reader,
                world.machine,
                world.endpoints,
            )

    def act(self) -> None:
        """Do what is due."""
        step = self.world.outcome.steps
        due = [do for at, do in self.plans if at <= step]
        self.plans = [(at, do) for at, do in self.plans if at > step]
        for do in due:
            do()

    def _later(self, steps: int, do: Callable[[], None]) -> None:
        self.plans.append((self.world.outcome.steps + steps, do))

    def _creator(self, name: str, request: dict[str, Any]) -> Callable[[], None]:
        def create() -> None:
            if name in self.world.watcher.created:
                return
            try:
                action = self.world.commands.admitted_tuning(request)
            except ValidationException as refused:
                # A parent may have been deleted since the request was written.
                if "is no tuning job here" not in refused.message:
                    raise
                return
            self.world.post(action, lambda: self.world.watcher.created.add(name))
            self._later(10, create)

        return create

    def _training_creator(self, name: str) -> Callable[[], None]:
        def create() -> None:
            if self.world.store.reader.training_job(name) is None and name not in self.world.watcher.created:
                self.world.post(
                    self.world.commands.admitted_training(training_request(name)),
                    lambda: self.world.watcher.created.add(name),
                )
                self._later(10, create)

        return create

    def _child_creator(self, name: str) -> Callable[[], None]:
        def create() -> None:
            request = child_request(self.rng, self.world.store.reader, name)
            if request is not None:
                self._creator(name, request)()
            elif unfinished(self.world.store.reader):
                self._later(5, create)

        return create

    def _mischief(self) -> None:
        reader, watcher = self.world.store.reader, self.world.watcher
        tuning = [job.name for job in reader.list_tuning_jobs(Page(limit=100)).items]
        training = [job.name for job in reader.list_training_jobs(Page(limit=100)).items]
        roll = self.rng.random()
        if roll < 0.3 and tuning:
            self.world.post(StopTuning(name=self.rng.choice(tuning)))
        elif roll < 0.5 and training:
            self.world.post(StopTraining(name=self.rng.choice(training)))
        elif roll < 0.65 and training:
            name = self.rng.choice(training)
            watcher.deleted.add(name)
            self.world.post(DeleteTraining(name=name))
        elif roll < 0.75 and tuning:
            name = self.rng.choice(tuning)
            watcher.deleted.add(name)
            self.world.post(DeleteTuning(name=name))
        elif tuning:
            arn = self.world.parts.realm.tuning_arn(self.rng.choice(tuning))
            self.world.post(AddTags(arn=arn, tags={"k": str(self.rng.random())}))


def simulated_policy(**changes: Any) -> EnginePolicy:
    """Return a policy for simulated jobs."""
    paths = {"jobs_path": "/simulated/jobs", "checkpoints_path": "/simulated/checkpoints"}
    values: dict[str, Any] = {**paths, "cache_path": "/simulated/cache", "python": sys.executable, **changes}
    return EnginePolicy(**values)


def tuning_request(rng: random.Random, name: str, **limits: Any) -> dict[str, Any]:
    """Return a random but acceptable request for a tuning job."""
    strategy = rng.choice(("Bayesian", "Bayesian", "Random", "Grid"))
    criteria: dict[str, Any] = {}
    if rng.random() < 0.2:
        criteria["TargetObjectiveMetricValue"] = rng.choice((0.5, 0.9))
    if rng.random() < 0.2:
        criteria["BestObjectiveNotImproving"] = {"MaxNumberOfTrainingJobsNotImproving": 3}
    resources = {
        "MaxNumberOfTrainingJobs": rng.randint(1, 9),
        "MaxParallelTrainingJobs": rng.randint(1, 4),
        **limits,
    }
    if rng.random() < 0.1:
        resources["MaxRuntimeInSeconds"] = 120
    ranges: dict[str, Any] = {"CategoricalParameterRanges": [{"Name": "kind", "Values": ["a", "b", "c"]}]}
    if strategy == "Grid":
        resources["MaxNumberOfTrainingJobs"] = 3
    else:
        ranges["ContinuousParameterRanges"] = [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
    config = {
        "Strategy": strategy,
        "HyperParameterTuningJobObjective": {"Type": rng.choice(("Maximize", "Minimize")), "MetricName": "m"},
        "ResourceLimits": resources,
        "ParameterRanges": ranges,
        "TuningJobCompletionCriteria": criteria,
        "RandomSeed": rng.randint(0, 1000),
    }
    definition = _shared_request()
    definition["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "m", "Regex": "m=(.*)"}]
    if rng.random() < 0.5:
        definition["RetryStrategy"] = {"MaximumRetryAttempts": rng.randint(1, 3)}
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinition": definition,
        "Tags": [{"Key": "team", "Value": "a"}],
    }


def with_early_stopping(rng: random.Random, request: dict[str, Any]) -> dict[str, Any]:
    """Return a random tuning job's request, half of the time with trials that run for epochs and are judged."""
    config, kind = request["HyperParameterTuningJobConfig"], rng.choice(("Off", "Off", "Auto", "Hyperband"))
    if kind == "Off":
        return request
    config["TrainingJobEarlyStoppingType"] = "Auto" if kind == "Auto" else "Off"
    if kind == "Hyperband" and config["Strategy"] != "Grid":
        resources = {"MinResource": 2, "MaxResource": rng.choice((8, 12, 20))}
        config |= {"Strategy": kind, "StrategyConfig": {"HyperbandStrategyConfig": resources}}
    config["ResourceLimits"]["MaxNumberOfTrainingJobs"] *= 1 if config["Strategy"] == "Grid" else 2
    for definition in request.get("TrainingJobDefinitions") or [request["TrainingJobDefinition"]]:
        definition["StaticHyperParameters"] = {"epochs": "12"}
    return request


def training_request(name: str) -> dict[str, Any]:
    """Return an acceptable request for a training job of its own."""
    return {"TrainingJobName": name, "HyperParameters": {"a": "1"}, **_shared_request()}


def _shared_request() -> dict[str, Any]:
    return {
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": "arn:aws:iam::000000000000:role/pegbox",
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "ResourceConfig": {"InstanceType": "local", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }


def run_seed(seed: int, dangers: Dangers | None = None) -> Outcome:
    """Run one schedule to its end.

    Raises:
        InvariantBroken: An invariant did not hold, or the schedule did not come to an end.
    """
    world = World(seed, dangers=dangers, strategy=telltale_strategy)
    client = Client(world)
    while client.plans or not world.quiet():
        if world.outcome.steps >= MAX_STEPS:
            raise InvariantBroken(f"stuck: {unfinished(world.store.reader)} after {MAX_STEPS} steps")
        client.act()
        world.step()
    _at_rest(world)
    world.outcome.refused = world.store.refused
    world.outcome.checks = world.watcher.checks
    return world.outcome


def _at_rest(world: World) -> None:
    """Check what must hold once everything has ended."""
    reader = world.store.reader
    if world.strategy is telltale_strategy:
        world.outcome.replayed = check_replays(reader)
    for tuning in reader.list_tuning_jobs(Page(limit=100)).items:
        world.outcome.statuses[tuning.status.value] += 1
        world.outcome.trials += tuning.launched
        budget = tuning.request["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"]
        if (tuning.completion_reason or "").startswith("all ") and tuning.launched != budget:
            raise InvariantBroken(f"{tuning.name}: completed with {tuning.launched} of {budget} trials")
    left = [attempt.order.attempt_id for attempt in world.machine.running()]
    if left:
        raise InvariantBroken(f"I7: programs are left: {left}")
    # A crash between acknowledging and discarding leaves scratch data behind, which the executor sweeps at its start.
    spools = [a for a in world.machine.attempts.values() if not a.discarded and not a.fenced]
    if len(spools) > world.outcome.crashes:
        raise InvariantBroken(f"attempts were never discarded: {[a.order.attempt_id for a in spools]}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run seeds and print what they did; 1 when one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many (default 1000)")
    parser.add_argument("--start", type=int, default=0, help="the first (default 0)")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    total, statuses = Counter[str](), Counter[str]()
    began = time.perf_counter()
    for seed in range(options.start, options.start + options.seeds):
        try:
            outcome = run_seed(seed)
        except Exception as problem:
            print(f"seed {seed} failed: {problem}")
            print(f"replay: python -m pegbox.testing.simulation --start {seed} --seeds 1")
            return 1
        statuses += outcome.statuses
        for name in ("steps", "crashes", "refused", "checks", "trials", "replayed"):
            total[name] += getattr(outcome, name)
    seconds = time.perf_counter() - began
    ended = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    print(
        f"{options.seeds} seeds from {options.start}: 0 failures, so at most {3 / options.seeds:.2g} a schedule (3/N)\n"
        f"{total['steps']} steps, {total['checks']} checks, {total['crashes']} crashes, {total['refused']} refused commits\n"
        f"{total['trials']} trials, {total['replayed']} computed again; tuning jobs: {ended}\n"
        f"{seconds:.1f} s, {1000 * seconds / max(options.seeds, 1):.0f} ms a seed"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
