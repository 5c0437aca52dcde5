"""Our `dataclass` behaves as the standard one does, at a fraction of its cost in a cold start."""

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, asdict, field, fields, replace
from functools import cached_property, partial
from typing import Any, ClassVar, Generic, TypeVar

import pytest
from pydantic import TypeAdapter

from analysis_jobs.base import values

Item = TypeVar("Item")
Decorator = Callable[..., Any]


class Kinds:
    """The same classes, made by one decorator."""

    def __init__(self, dataclass: Decorator) -> None:
        @dataclass(frozen=True)
        class Book:
            """A book."""

            isbn: str
            pages: int = 100
            notes: list[str] = field(default_factory=list)
            secret: str = field(default="s", repr=False, compare=False)

            @cached_property
            def double(self) -> int:
                """Twice the pages."""
                return self.pages * 2

        @dataclass
        class Shelf(Generic[Item]):
            """A shelf."""

            items: list[Item]

            def __post_init__(self) -> None:
                self.count = len(self.items)

        @dataclass(frozen=True, eq=False)
        class Service:
            """A service."""

            name: str

        @dataclass(frozen=True)
        class Same:
            """All of them are equal."""

            name: str

            def __eq__(self, other: object) -> bool:
                return isinstance(other, Same)

            def __hash__(self) -> int:
                return 7

        @dataclass(frozen=True)
        class Novel(Book):
            """A book with an author."""

            author: str = "unknown"

        class Subclass(Book):
            pass

        for kind in (Book, Shelf, Service, Same, Novel, Subclass):
            setattr(self, kind.__name__, kind)


OURS, STANDARD = Kinds(values.dataclass), Kinds(dataclasses.dataclass)


def outcome(action: Callable[[], Any]) -> Any:
    """Return what an action returns, or the class of its error."""
    try:
        return action()
    except Exception as error:  # noqa: BLE001 - errors are compared
        return type(error)


def behaviours(kinds: Any) -> Iterator[tuple[str, Any]]:
    """Yield what can be seen of the classes, with a name."""
    book = kinds.Book("1", notes=["a"])
    yield "fields", [(each.name, each.type, each.default) for each in fields(kinds.Book)][:2]
    yield "repr", repr(book).rpartition(".")[2]
    yield "dict", asdict(book)
    yield "positional", asdict(kinds.Book("1", 2, ["b"], "t"))
    yield "replaced", asdict(replace(book, pages=3))
    yield "copies", (copy.copy(book) == book, copy.deepcopy(book) == book)
    yield "equal", (book == kinds.Book("1", notes=["a"], secret="t"), book == kinds.Book("2"), book == "1")
    yield "hash", outcome(lambda: hash(book))
    yield "hash of hashable values", hash(kinds.Book("1", notes=())) == hash(kinds.Book("1", notes=(), secret="t"))
    yield "own factory", kinds.Book("1").notes is not kinds.Book("1").notes
    yield "cached", (book.double, book == kinds.Book("1", notes=["a"]))
    cases: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("missing", (), {}),
        ("too many", ("1", 2, [], "s", 5), {}),
        ("unknown", ("1",), {"price": 1}),
        ("twice", ("1",), {"isbn": "2"}),
    ]
    for name, arguments, named in cases:
        yield name, outcome(partial(kinds.Book, *arguments, **named))
    yield "assign", outcome(lambda: setattr(book, "pages", 1))
    yield "add", outcome(lambda: setattr(book, "price", 1))
    yield "delete", outcome(lambda: delattr(book, "pages"))
    sub = kinds.Subclass("1")
    yield "assign in a subclass", outcome(lambda: setattr(sub, "pages", 1))
    yield "add in a subclass", outcome(lambda: setattr(sub, "price", 1))
    shelf = kinds.Shelf[int]([1, 2])
    shelf.count += 1
    yield "mutable", (shelf.count, shelf.items, outcome(lambda: hash(shelf)))
    yield "identity", (kinds.Service("a") == kinds.Service("a"), len({kinds.Service("a"), kinds.Service("a")}))
    yield "own equality", (kinds.Same("a") == kinds.Same("b"), hash(kinds.Same("a")))
    yield "inherited", (repr(kinds.Novel("1", author="x")).rpartition(".")[2], outcome(kinds.Novel))
    yield "signature", list(inspect.signature(kinds.Book).parameters)
    yield "validated", asdict(TypeAdapter(kinds.Book).validate_python({"isbn": "1", "pages": "5"}))
    match book:
        case kinds.Book(isbn, pages):
            yield "matched", (isbn, pages)


@pytest.mark.parametrize("name", [name for name, _ in behaviours(STANDARD)])
def test_a_class_behaves_as_one_of_the_standard_library(name: str) -> None:
    ours, standard = dict(behaviours(OURS)), dict(behaviours(STANDARD))
    assert ours[name] == standard[name]


@values.dataclass(frozen=True)
class _Point:
    x: int
    y: int = 0


def test_an_instance_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(_Point(1))) == _Point(1)  # noqa: S301 - our own bytes


def test_a_field_that_is_no_parameter_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Odd: import `dataclass` from `dataclasses`"):

        @values.dataclass(frozen=True)
        class Odd:
            x: int = field(init=False, default=1)


def test_a_variable_of_the_class_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Odd: import `dataclass` from `dataclasses`"):

        @values.dataclass
        class Odd:
            x: ClassVar[int] = 1


def test_an_option_that_is_not_known_gives_a_class_of_the_standard_library() -> None:
    @values.dataclass(frozen=True, slots=True)
    class Slotted:
        x: int

    assert not hasattr(Slotted(1), "__dict__")
    with pytest.raises(FrozenInstanceError):
        Slotted(1).x = 2  # type: ignore[misc]
