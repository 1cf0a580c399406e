"""The small changes that ``tests/mutants.py`` makes to the code.

The operators are those of mutmut, and a few of our own, in the same form: from a node of libcst's tree to
what it may become. Left out are changes that no test should notice: of texts, annotations, decorators,
logging and what an exception says; and those that any test notices, such as a name that is nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Any

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation import mutators as mutmut

Operator = tuple[type[cst.CSTNode], Callable[[Any], Iterable[cst.CSTNode]]]

OPPOSITE = {
    cst.LessThan: cst.GreaterThanEqual,
    cst.GreaterThanEqual: cst.LessThan,
    cst.GreaterThan: cst.LessThanEqual,
    cst.LessThanEqual: cst.GreaterThan,
}
SKIPPED = (cst.Annotation, cst.Decorator, cst.FormattedString, cst.Assert)
UNSAID = {"logger"}  # what is called on it says something to nobody


@dataclass(frozen=True)
class Mutant:
    """A change of a file; ``lines`` are those of the change in what it was."""

    file: str
    lines: range
    module: cst.Module
    old: cst.CSTNode
    new: cst.CSTNode

    def source(self) -> str:
        """The file with the change."""
        return self.module.deep_replace(self.old, self.new).code

    def diff(self) -> str:
        """The change, with what is around it."""
        before, after = self.module.code.splitlines(), self.source().splitlines()
        return "\n".join(unified_diff(before, after, self.file, self.file, n=2, lineterm=""))


def mutants_of(root: Path, file: str) -> list[Mutant]:
    """All changes of that file, in the order of its lines."""
    module = cst.parse_module((root / file).read_text())
    found = _Finder()
    MetadataWrapper(module, unsafe_skip_copy=True).visit(found)
    return [Mutant(file, lines, module, old, new) for old, new, lines in found.changes]


def turn_round(node: cst.ComparisonTarget) -> Iterator[cst.CSTNode]:
    """``<`` becomes ``>=``; mutmut makes ``<=`` of it, and knows ``==``, ``is`` and ``in``."""
    if type(node.operator) in OPPOSITE:
        yield node.with_changes(operator=OPPOSITE[type(node.operator)]())


def negate(node: cst.If | cst.IfExp | cst.While | cst.CompIf) -> Iterator[cst.CSTNode]:
    """The condition the other way round, where no other operator turns it."""
    if isinstance(node.test, (cst.Comparison, cst.UnaryOperation)):
        return
    test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    negated = cst.UnaryOperation(cst.Not(whitespace_after=cst.SimpleWhitespace(" ")), test)
    yield node.with_changes(test=negated)


def leave_out(node: cst.BaseSmallStatement) -> Iterator[cst.CSTNode]:
    """A call, the end of a function, an exception, or an assignment, is not there."""
    if isinstance(node, cst.Expr) and not isinstance(node.value, cst.Call):
        return
    if isinstance(node, cst.Return) and node.value is not None:
        return
    yield cst.Pass()


OPERATORS: tuple[Operator, ...] = (
    (cst.CSTNode, mutmut.operator_keywords),
    (cst.CSTNode, mutmut.operator_swap_op),
    (cst.Name, mutmut.operator_name),
    (cst.UnaryOperation, mutmut.operator_remove_unary_ops),
    (cst.ComparisonTarget, turn_round),
    *((kind, negate) for kind in (cst.If, cst.IfExp, cst.While, cst.CompIf)),
    *((kind, leave_out) for kind in (cst.Expr, cst.Return, cst.Raise, cst.Assign, cst.AugAssign)),
)


class _Finder(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[tuple[cst.CSTNode, cst.CSTNode, range]] = []
        self._within: list[cst.CSTNode] = []  # functions and statements around the node
        self._bound: Counter[str] = Counter()  # how often the outermost function binds each name

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, SKIPPED) or _is_said(node):
            return False
        if isinstance(node, cst.FunctionDef) and not self._functions():
            self._bound = Counter(_names_bound(node))
        if self._functions() and not self._is_first_binding(node):
            for kind, operator in OPERATORS:
                if isinstance(node, kind):
                    for new in operator(node):
                        self.changes.append((node, new, self._lines(node)))
        if isinstance(node, (cst.FunctionDef, cst.BaseStatement)):
            self._within.append(node)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if self._within and self._within[-1] is original_node:
            self._within.pop()

    def _functions(self) -> list[cst.CSTNode]:
        return [node for node in self._within if isinstance(node, cst.FunctionDef)]

    def _lines(self, node: cst.CSTNode) -> range:
        """From the beginning of the statement, for not every line of it is said to be run."""
        where = self.get_metadata(PositionProvider, node)
        around = self.get_metadata(PositionProvider, self._within[-1])
        return range(around.start.line, where.end.line + 1)

    def _is_first_binding(self, node: cst.CSTNode) -> bool:
        """Without it the name would be nothing, as any test notices."""
        if not isinstance(node, cst.Assign):
            return False
        names = [name for target in node.targets for name in _names_bound(target)]
        return bool(names) and all(self._bound[name] == 1 for name in names)


def _is_said(node: cst.CSTNode) -> bool:
    if not (isinstance(node, cst.Expr) and isinstance(node.value, cst.Call)):
        return False
    called = node.value.func
    return isinstance(called, cst.Attribute) and getattr(called.value, "value", "") in UNSAID


def _names_bound(node: cst.CSTNode) -> Iterator[str]:
    """The plain names that assignments, loops, parameters and the like give a value to in ``node``."""
    if isinstance(node, (cst.AssignTarget, cst.AnnAssign, cst.For, cst.CompFor, cst.NamedExpr)):
        target = node.target
        elements = (
            [one.value for one in target.elements] if isinstance(target, cst.Tuple) else [target]
        )
        yield from (one.value for one in elements if isinstance(one, cst.Name))
    elif isinstance(node, cst.Param):
        yield node.name.value
    for child in node.children:
        yield from _names_bound(child)
