"""YAML with line numbers, so that a wrong value is named by the line on which it stands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

Location = Sequence[str | int]
TOP_LINE: Final = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, at a place such as ``("members", 3, "battery", "capacity_kwh")``."""

    location: tuple[str | int, ...]
    message: str


class ScenarioError(ValueError):
    """A scenario that cannot be used; its text has one line ``FILE:LINE: place: message`` a problem."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """A parsed file: ``tree`` knows the line of every key, ``plain`` holds ordinary Python values."""

    path: Path
    tree: Any
    plain: Any

    @classmethod
    def read(cls, path: Path) -> "YamlDocument":
        """The document in ``path``; ScenarioError when there is none, or its syntax is wrong."""
        try:
            tree = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ScenarioError([f"{shown(path)}:{TOP_LINE}: {error.strerror or error}"]) from error
        except UnicodeDecodeError as error:
            raise ScenarioError([f"{shown(path)}:{TOP_LINE}: is not UTF-8 text"]) from error
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else TOP_LINE
            text = " ".join(str(error.problem or error.context or "is not YAML").split())
            raise ScenarioError([f"{shown(path)}:{line}: YAML: {text}"]) from error
        except YAMLError as error:
            raise ScenarioError([f"{shown(path)}:{TOP_LINE}: YAML: {error}"]) from error
        return cls(path, tree, _plain(tree))

    def error(self, problems: Iterable[Problem]) -> ScenarioError:
        """The problems as one error, in the order of their lines."""
        placed = [(self.line_of(problem.location), problem) for problem in problems]
        placed.sort(key=lambda pair: pair[0])
        return ScenarioError(
            f"{shown(self.path)}:{line}: {place}{problem.message}"
            for line, problem in placed
            for place in [f"{'.'.join(str(part) for part in problem.location)}: " if problem.location else ""]
        )

    def line_of(self, location: Location) -> int:
        """The line of the deepest part of ``location`` that the file contains."""
        node, line = self.tree, TOP_LINE
        for part in location:
            if isinstance(node, CommentedMap) and part in node:
                line = (
                    node.lc.data[part][0] + 1 if part in (node.lc.data or {}) else line
                )  # not for merged keys
            elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
                line = node.lc.item(part)[0] + 1
            else:
                break
            node = node[part]
        return line


def shown(path: Path) -> str:
    """``path`` as a person would type it here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _plain(node: Any) -> Any:  # noqa: ANN401 (whatever YAML can hold)
    if isinstance(node, CommentedMap):
        return {_plain(key): _plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value) for value in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node
