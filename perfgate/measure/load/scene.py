"""The user's locustfile, loaded as `locust -f` would load it, and the Locust environment its users live in.

How many users there are, or at what rate they come, stands in `budgets.yaml`: a `LoadTestShape` has no say in it.
"""

from __future__ import annotations

import gc
import inspect
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

import locust
from locust import MarkovTaskSet, User
from locust.argument_parser import get_parser
from locust.env import Environment
from locust.runners import Runner
from locust.util.load_locustfile import load_locustfile

from perfgate.measure.load import flight, locust_hooks
from perfgate.measure.load.locust_hooks import is_taskset, limit_connections
from perfgate.measure.load.recorder import Recorder, shown, where


class BadLocustfile(Exception):
    """The locustfile cannot be used: what is wrong with it, where, and what to type."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Scene:
    """A loaded locustfile. Its runner is set by whoever drives it: local users, or workers."""

    def __init__(self, environment: Environment, recorder: Recorder) -> None:
        self.environment, self.recorder = environment, recorder
        self.events: Any = environment.events
        self.user_classes: list[type[User]] = environment.user_classes

    @property
    def runner(self) -> Runner:
        """Locust's runner, which locustfiles look at; perfgate starts and stops users itself."""
        assert self.environment.runner is not None
        return self.environment.runner

    def drop_statistics(self) -> None:
        """Switch Locust's own statistics off: twice the price of the raw records, for percentiles that are rounded."""
        for listener in list(self.events.request._handlers):
            if listener.__module__ == "locust.runners":
                self.events.request.remove_listener(listener)

    def class_named(self, name: str) -> type[User]:
        """The user class of this name."""
        return self.environment.user_classes_by_name[name]

    def prepare(self, url: str, timeout: float) -> None:
        """Point all users that come from now on at the service at `url`."""
        self.recorder.reset(url, timeout)
        self.environment.host = url
        for user_class in self.user_classes:
            user_class.host = url
            limit_connections(user_class, timeout)

    def new_user(self, user_class: type[User]) -> User | None:
        """A user that does not run yet; None when its own `__init__` fails, which is the locustfile's error."""
        try:
            return user_class(self.environment)
        except Exception as error:
            self.recorder.on_user_error(user_class, error, error.__traceback__)
            return None


def load(path: Path, root: Path) -> Scene:
    """Load the locustfile at `path`; BadLocustfile when that fails. Also changes Locust where perfgate needs it."""
    locust_hooks.install()
    flight.install()
    recorder = Recorder()
    recorder.root = root
    events: Any = locust.events
    events.request.add_listener(recorder.on_request)
    events.user_error.add_listener(recorder.on_user_error)
    classes = _user_classes(path, root)
    environment = _environment(path, root, classes)
    gc.collect()
    gc.freeze()  # what is loaded stays, so no collection during a round looks at it again
    return Scene(environment, recorder)


def _user_classes(path: Path, root: Path) -> list[type[User]]:
    sys.path.insert(0, str(path.parent))
    name = shown(path, root)
    try:
        found, _ = load_locustfile(str(path))
    except (Exception, SystemExit) as error:
        raise _refused(error, root, name) from error
    if not found:
        raise BadLocustfile(
            f"{name} has no User class", "define one: `class Visitor(FastHttpUser):` with at least one `@task`"
        )
    for user_class in found.values():
        _has_tasks(user_class, root)
    return list(found.values())


def _environment(path: Path, root: Path, classes: list[type[User]]) -> Environment:
    try:
        options, _ = get_parser().parse_known_args([])
        return Environment(
            user_classes=classes,
            events=locust.events,
            locustfile=path.name,
            parsed_options=options,
            available_user_classes={user_class.__name__: user_class for user_class in classes},  # type: ignore[misc]
        )
    except SystemExit as error:
        hint = "give every option that init_command_line_parser adds a default: perfgate passes none"
        raise BadLocustfile(f"{shown(path, root)} wants command line options", hint) from error
    except ValueError as error:
        raise BadLocustfile(
            f"{shown(path, root)}: {error}", "give the classes names and weights of their own"
        ) from error


def _refused(error: BaseException, root: Path, name: str) -> BadLocustfile:
    if isinstance(error, SyntaxError):
        return BadLocustfile(f"{shown(Path(error.filename or name), root)}:{error.lineno}: {error.msg}", "mend it")
    traceback.print_exception(error)
    hint = "it must load as it does with `locust -f`"
    if isinstance(error, ModuleNotFoundError) and error.name:
        hint = f"install {error.name.partition('.')[0]!r} where perfgate is installed, or put it beside the locustfile"
    text = f"{type(error).__name__}: {error}".removesuffix(": ")
    return BadLocustfile(f"{_place(error.__traceback__, root, name)}: {text}", hint)


def _place(tb: TracebackType | None, root: Path, name: str) -> str:
    """Where loading failed; the locustfile's name beside it when that is another file, of a package for instance."""
    found = where(tb, root)
    return found if found.startswith(f"{name}:") else f"{name} ({found})"


def _has_tasks(holder: Any, root: Path) -> None:
    """BadLocustfile when a user class, or a TaskSet below it, has nothing to do."""
    if isinstance(holder, type) and issubclass(holder, MarkovTaskSet):
        return
    if not holder.tasks:
        place = f"{shown(Path(inspect.getsourcefile(holder) or '?'), root)}:{inspect.getsourcelines(holder)[1]}"
        hint = "decorate its methods with @task, or set `abstract = True` if it is only to be inherited from"
        raise BadLocustfile(f"{place}: class {holder.__name__} has no tasks", hint)
    for task in holder.tasks:
        if is_taskset(task):
            _has_tasks(task, root)
