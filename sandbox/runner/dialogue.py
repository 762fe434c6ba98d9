"""What is said between a driver and the program whose functions it calls, each in a slot of its own.

The program serves calls; the driver has stand-ins for its functions. Everything but the kind of a message is plain data
(`values`), so the program can hand over a value or an exception and nothing that acts on the driver's side.
"""

from __future__ import annotations

import _thread
import builtins
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from sandbox.runner import values
from sandbox.runner.talk import (
    CALL,
    DONE,
    DRIVERS_FAULT,
    MAX_MESSAGE,
    NO_VALUE,
    PROGRAMS_FAULT,
    RAISED,
    VALUE,
    Talk,
)

_MAX_TRACE = 20_000


def serve(talk: Talk, namespace: dict[str, Any], trace: Callable[[BaseException], Any]) -> None:
    """The program's side: answer calls of its functions until there are no more. `trace` leaves our frames out."""
    while (message := talk.hear()) is not None:
        name, arguments, keywords = values.loads(message[1:])
        given = [*arguments, *keywords.values()]
        before = values.dumps(given)
        try:
            if name not in namespace:
                raise NameError(f"name {name!r} is not defined")
            value = namespace[name](*arguments, **keywords)
        except BaseException as error:
            lines = traceback.format_exception(type(error), error, trace(error))
            talk.say(RAISED, values.dumps([*_as_builtin(error), "".join(lines)[-_MAX_TRACE:]]))
            continue
        try:
            answer = _dumps([value, None if _dumps(given) == before else given])
            if len(answer) >= MAX_MESSAGE:
                raise values.NotPlainData(f"larger than {MAX_MESSAGE} bytes")
        except values.NotPlainData as error:
            talk.say(NO_VALUE, str(error).encode(errors="replace")[:4096])
        else:
            talk.say(VALUE, answer)


def _dumps(value: Any) -> bytes:
    """Text of plain data, subclasses of the built-in types (a Counter, a named tuple) as what they extend."""
    try:
        return values.dumps(value)
    except values.NotPlainData:
        return values.dumps(values.exact(value))


def _as_builtin(error: BaseException) -> tuple[str, list[Any]]:
    """The built-in exception that comes closest, and its arguments as far as they are plain."""
    kind = next(kind for kind in type(error).__mro__ if getattr(builtins, kind.__name__, None) is kind)
    try:
        arguments = values.exact(list(error.args))
        if len(values.dumps(arguments)) < _MAX_TRACE:
            return kind.__name__, arguments
    except values.NotPlainData:
        pass
    return kind.__name__, [str(error)[:_MAX_TRACE]]


class Driver:
    """The driver's side: `__function__("name")` is a function of the program."""

    def __init__(self, talk: Talk, leave: Callable[[], NoReturn]) -> None:
        self._talk = talk
        self._leave = leave
        self._turn = _thread.allocate_lock()
        self._raised: tuple[BaseException, str] | None = None

    def names(self) -> dict[str, Any]:
        """What stands in for the built-in names: those, `__function__`, and an end for any other.

        The text may mean a helper that the program happens to import; the program must not compute it.
        """
        return _Names(self)

    def call(self, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Call a function of the program; raises what it raised."""
        with self._turn:
            try:
                question = values.dumps([name, list(arguments), keywords])
                if len(question) >= MAX_MESSAGE:
                    raise values.NotPlainData(f"larger than {MAX_MESSAGE} bytes")
            except values.NotPlainData as error:
                self.fault(DRIVERS_FAULT, f"an argument of {name}: {error}")
            self._talk.say(CALL, question)
            answer = self._talk.hear()
            if answer is None:
                self._leave()
            try:
                content: Any = None if answer[:1] == NO_VALUE else values.loads(answer[1:])
                if answer[:1] == VALUE:
                    value, changed = content
                    if changed is not None:
                        mine = (*arguments, *keywords.values())
                        changeable = [id(one) for one in mine if type(one) in (list, dict, set)]
                        if len(set(changeable)) < len(changeable):
                            self.fault(DRIVERS_FAULT, f"{name} changes something that it was given twice")
                        _change(mine, changed)
                    return value
                if answer[:1] == RAISED:
                    kind, details, trace = content
                    self._raised = _exception(kind, details), str(trace)
                else:
                    self.fault(PROGRAMS_FAULT, f"the value of {name}: {answer[1:].decode(errors='replace')}")
            except (ValueError, TypeError) as error:  # a forged answer
                self.fault(PROGRAMS_FAULT, f"the value of {name}: {error}")
            raise self._raised[0]

    def trace_of(self, error: BaseException) -> str:
        """Where in the program an exception comes from; empty if it comes from the driver."""
        return self._raised[1] if self._raised is not None and self._raised[0] is error else ""

    def done(self) -> None:
        """It came through."""
        self._talk.say(DONE)

    def fault(self, whose: bytes, why: str) -> NoReturn:
        """End here, whatever the text would catch."""
        self._talk.say(whose, why.encode(errors="replace")[:4096])
        self._leave()


class _Names(dict[str, Any]):
    def __init__(self, driver: Driver) -> None:
        super().__init__(vars(builtins), __function__=lambda name: Function(driver, name))
        self._driver = driver

    def __missing__(self, name: str) -> Any:
        if name.startswith("__"):
            raise KeyError(name)
        self._driver.fault(DRIVERS_FAULT, f"the name {name}, which only the program may know")


_SEEN = ("_driver", "_touch", "__dict__", "__class__", "__call__", "__name__", "__qualname__")


class Function:
    """A function of the program, as far as it can be one from afar: it can be called."""

    def __init__(self, driver: Driver, name: str) -> None:
        self.__dict__.update(_driver=driver, __name__=name, __qualname__=name)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._driver.call(self.__name__, arguments, keywords)

    def __getattribute__(self, attribute: str) -> Any:
        if attribute in _SEEN:
            return object.__getattribute__(self, attribute)
        return self._touch(attribute)

    def __eq__(self, other: object) -> Any:
        return self is other or self._touch("__eq__")

    def __hash__(self) -> int:
        return id(self)

    def _touch(self, attribute: str, *operands: Any) -> Any:
        self._driver.fault(DRIVERS_FAULT, f"{attribute} of {self.__name__}")


def _touching(name: str) -> Any:
    return lambda self, *operands: self._touch(name)


for _name in (
    "__setattr__", "__delattr__", "__bool__", "__iter__", "__next__", "__len__", "__contains__", "__getitem__",
    "__setitem__", "__delitem__", "__lt__", "__le__", "__gt__", "__ge__", "__add__", "__radd__", "__sub__", "__rsub__",
    "__mul__", "__rmul__", "__truediv__", "__rtruediv__", "__mod__", "__rmod__", "__str__", "__int__", "__float__",
    "__index__", "__enter__", "__exit__", "__await__",
):  # fmt: skip
    setattr(Function, _name, _touching(_name))


def _exception(name: Any, arguments: Any) -> BaseException:
    kind = getattr(builtins, name) if isinstance(name, str) and name in vars(builtins) else None
    if not (isinstance(kind, type) and issubclass(kind, BaseException) and isinstance(arguments, list)):
        raise ValueError("not an exception")
    if issubclass(kind, (StopIteration, StopAsyncIteration, GeneratorExit)):
        return RuntimeError(f"the program raised {name}")  # it must not end a loop of the driver's
    try:
        return kind(*arguments)
    except Exception:
        return kind.__new__(kind)


def _change(arguments: tuple[Any, ...], changed: Any) -> None:
    """Make the driver's own arguments what the program has made of them."""
    if type(changed) is not list or len(changed) != len(arguments):
        raise ValueError("not the arguments")
    for mine, theirs in zip(arguments, changed, strict=True):
        if type(mine) is not type(theirs):
            raise ValueError("an argument of another type")
        if type(mine) is tuple:
            _change(mine, list(theirs))
        elif type(mine) is list:
            mine[:] = theirs
        elif type(mine) in (dict, set):
            mine.clear()
            mine.update(theirs)
