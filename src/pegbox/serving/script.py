"""The script-mode contract: the functions that a script may define, and what stands in for those that it does not."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import os
import sys

from . import formats, models
from .context import Context
from .messages import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Callable

    from .messages import Request

#: The functions, with the number of their arguments; each may take a :class:`Context` after them.
FUNCTIONS = {
    "pre_model_fn": 1,
    "model_fn": 1,
    "model_warmup_fn": 2,
    "input_fn": 2,
    "predict_fn": 2,
    "output_fn": 2,
    "transform_fn": 4,
}


class BadScript(Exception):
    """The script cannot be used; the message says why and what to do."""


class Script:
    """Serves a model with a script, or with default handlers alone.

    Args:
        model_dir: Folder of the model.
        code_dir: Folder of the script, or nothing.
        program: The script's path in it, or nothing.
        default_accept: Type of the answer where the request names none.
    """

    def __init__(self, model_dir: str, code_dir: str, program: str, default_accept: str) -> None:
        self._model_dir = model_dir
        self._program = program
        self._accept = default_accept
        self._model: Any = None
        self._default_predict: Callable[[Any], Any] | None = None
        self._functions: dict[str, tuple[Callable[..., Any], bool]] = {}
        self._unread = ""
        if program and _may_define_functions(os.path.join(code_dir, program)):
            self._take(_imported(code_dir, program))
        elif code_dir:
            # A training script that serves with the default handlers: importing it would train again.
            sys.path.insert(0, code_dir)
            self._unread = code_dir if program else ""

    def _take(self, module: ModuleType) -> None:
        for name, count in FUNCTIONS.items():
            function = getattr(module, name, None)
            if function is None:
                continue
            if not callable(function):
                raise BadScript(f"{name} in {self._program} is a {type(function).__name__}, not a function")
            self._functions[name] = (function, _takes_context(function, count))
        extra = [name for name in ("input_fn", "predict_fn", "output_fn") if name in self._functions]
        if "transform_fn" in self._functions and extra:
            raise BadScript(
                f"{self._program} defines transform_fn and also {', '.join(extra)}: transform_fn does the work of these; "
                "remove one or the other"
            )

    def load(self) -> None:
        """Load the model.

        Raises:
            NoModel: There is none.
            Exception: Whatever the script raises.
        """
        context = Context(self._model_dir)
        if "pre_model_fn" in self._functions:
            self._call("pre_model_fn", context, self._model_dir)
        if "model_fn" in self._functions:
            self._model = self._call("model_fn", context, self._model_dir)
        else:
            self._model = self._found_model()
        if "predict_fn" not in self._functions and "transform_fn" not in self._functions:
            self._default_predict = models.predictor(self._model)
        if "model_warmup_fn" in self._functions:
            self._call("model_warmup_fn", context, self._model_dir, self._model)

    def _found_model(self) -> Any:
        """The model that is found by its file; a script is read after all if the model needs a class of it."""
        try:
            return models.load(self._model_dir, self._program)
        except (AttributeError, ImportError):
            if not self._unread:
                raise
            _imported(self._unread, self._program)
            return models.load(self._model_dir, self._program)

    def _call(self, name: str, context: Context, *arguments: Any) -> Any:
        function, with_context = self._functions[name]
        return function(*arguments, context) if with_context else function(*arguments)

    def answer(self, request: Request) -> Answer:
        """Return the answer to an invocation.

        Raises:
            Exception: Whatever a handler raises.
        """
        headers = request.headers
        content_type = headers.get("content-type") or formats.JSON
        accept = headers.get("accept", "").strip()
        if not accept or accept == formats.ANY:
            accept = self._accept
        context = Context(self._model_dir, headers)
        body: Any = request.body
        if formats.plain(content_type) in formats.TEXT:
            body = body.decode("utf-8")
        if "transform_fn" in self._functions:
            result = self._call("transform_fn", context, self._model, body, content_type, accept)
        else:
            result = self._predict(context, body, content_type, accept)
        return _answer(result, accept, context)

    def _predict(self, context: Context, body: Any, content_type: str, accept: str) -> Any:
        functions = self._functions
        if "input_fn" in functions:
            data = self._call("input_fn", context, body, content_type)
        else:
            data = formats.decode(body, content_type)
        if self._default_predict is not None:
            prediction = self._default_predict(data)
        else:
            prediction = self._call("predict_fn", context, data, self._model)
        if "output_fn" in functions:
            return self._call("output_fn", context, prediction, accept)
        return formats.encode(prediction, accept)


def _answer(result: Any, accept: str, context: Context) -> Answer:
    """Return what a handler gave as an answer: a body, (body, type), or a response object as web frameworks have it."""
    content_type = accept.partition(",")[0].partition(";")[0].strip() if "," in accept else accept
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], str):
        result, content_type = result
    elif hasattr(result, "get_data") and hasattr(result, "mimetype"):
        content_type, result = result.mimetype, result.get_data()
    content_type = context.response_content_type or content_type
    if result is None:
        body: Any = b""
    elif isinstance(result, str):
        body = result.encode()
    elif isinstance(result, (bytes, bytearray, memoryview)):
        body = bytes(result)
    elif hasattr(result, "getvalue"):
        body = result.getvalue()
        body = body.encode() if isinstance(body, str) else body
    elif hasattr(result, "__next__"):
        body = result
    else:
        body, content_type = formats.encode(result, content_type)
    return Answer(context.response_status or 200, content_type, body, context.response_headers)


def _may_define_functions(path: str) -> bool:
    """Tell, without running a script, whether its top level names one of the functions; when in doubt it may."""
    if not path.endswith(".py"):
        return True
    try:
        with open(path, "rb") as stream:
            found: list[ast.AST] = list(ast.parse(stream.read()).body)
    except (OSError, ValueError, SyntaxError, RecursionError):
        # Importing it tells what is wrong.
        return True
    while found:
        node = found.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if node.name in FUNCTIONS:
                return True
        elif isinstance(node, ast.ImportFrom):
            if any(item.name == "*" or (item.asname or item.name) in FUNCTIONS for item in node.names):
                return True
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in FUNCTIONS:
            return True
        else:
            found.extend(ast.iter_child_nodes(node))
    return False


def _takes_context(function: Callable[..., Any], count: int) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(1 for parameter in parameters if parameter.kind in positional) == count + 1


def _imported(code_dir: str, program: str) -> ModuleType:
    """Import the script under its own name, so that pickles that name its classes find them."""
    path = os.path.join(code_dir, program)
    for folder in (code_dir, os.path.dirname(path)):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    sys.argv = [path]
    if not program.endswith(".py"):
        return importlib.import_module(program.replace("/", "."))
    name = os.path.basename(program)[:-3]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadScript(f"{program} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    # A model that a training script pickled has the script's classes under the name __main__.
    main = sys.modules["__main__"].__dict__
    for key, value in vars(module).items():
        main.setdefault(key, value)
    return module
