"""A text with expressions: compiled when the file is read, filled when somebody calls, and safe to speak."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from jinja2 import TemplateSyntaxError, nodes

from app.flows.expressions.fault import ExpressionFault, in_plain_words, only_expressions
from app.flows.expressions.part import Part, ready
from app.flows.expressions.sandbox import ENVIRONMENT
from app.flows.expressions.static_check import StaticCheck, Use
from app.flows.expressions.values import LONGEST, as_text, as_value
from app.flows.model import RenderFault, Scope, inputs_in

MOST_EXPRESSIONS: Final = 100  # in one text
LONGEST_EXPRESSION: Final = 2_000  # characters

NO_EXPRESSIONS: Final = (("{%", "%}"), ("{#", "#}"))
SSML: Final = re.compile(r"\s*<speak(?=[\s/>]|\Z)", re.IGNORECASE)
SPEAK: Final = re.compile(r"<speak(?=[\s/>])", re.IGNORECASE)
LIKE_SSML: Final = re.compile(r"<(?=speak)", re.IGNORECASE)
MARKUP: Final = re.compile(
    r"""<!--.*?(?:-->|\Z) | <!\[CDATA\[.*?(?:\]\]>|\Z) | <\?.*?(?:\?>|\Z) | <(?:[^<>"']|"[^"]*"|'[^']*')*""",
    re.DOTALL | re.VERBOSE,
)
QUOTED: Final = re.compile(r""""[^"]*"|'[^']*'""")
HERE: Final = "\0"  # in place of an expression, while markup is checked

# https://www.w3.org/TR/xml/#charsets has neither these nor halves of characters, and they cannot be spoken.
_UNSAYABLE = {*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF} - {ord("\n"), ord("\t")}
SPOKEN: Final = dict.fromkeys((*_UNSAYABLE, ord("<"), ord(">")), " ")
ESCAPED: Final = dict.fromkeys(_UNSAYABLE, " ") | str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
)


class _Mode(Enum):
    """How values of expressions are used."""

    VALUE = "a single expression: its value is used as it is"
    TEXT = "part of a text"
    SPOKEN = "part of a text that is spoken: it must not become SSML"
    SSML = "text within SSML"


@dataclass(frozen=True, slots=True)
class Expression:
    """A text with expressions.

    A single expression gives a value of its own type; a text that is spoken, or has more in it, gives a text. In a
    text, numbers are written as Python writes them; none, true, false, lists and mappings are refused, for nobody
    wants them read out: a fault when it is rendered, like what is undefined.

    Attributes:
        source: The text as it is in the file.
        uses: What it uses of the scope: a name, or a name and one item of it.
        least: The text without its expressions.
    """

    source: str
    uses: frozenset[Use]
    least: str
    _mode: _Mode
    _parts: tuple[str | Part, ...] = field(repr=False, compare=False)

    @property
    def names(self) -> frozenset[str]:
        """The names of the scope that it uses."""
        return frozenset(use[0] for use in self.uses)

    @property
    def inputs(self) -> frozenset[str]:
        """The steps whose inputs it uses."""
        return inputs_in(self.uses)

    def fill(self, scope: Scope) -> Any:
        """The value for this call. Raises RenderFault, and nothing else."""
        if self._mode is _Mode.VALUE:
            (only,) = self._parts
            return only if isinstance(only, str) else only.given(scope, as_value)
        text = "".join(part if isinstance(part, str) else self._written(part, scope) for part in self._parts)
        if len(text) > LONGEST:
            raise RenderFault(f"a text with expressions has more than {LONGEST:,} characters")
        return LIKE_SSML.sub(" ", text) if self._mode is _Mode.SPOKEN else text

    def _written(self, part: Part, scope: Scope) -> str:
        text = part.given(scope, as_text)
        if self._mode is _Mode.SSML:
            return text.translate(ESCAPED)
        return text.translate(SPOKEN) if self._mode is _Mode.SPOKEN else text


def compiled(text: str, *, spoken: bool = False) -> Expression | str:
    """*text* as an Expression; *text* itself if it has none. *spoken*: of a `talk`. Raises ExpressionFault."""
    if "{{" not in text:
        if any(0 <= text.find(begin) < text.rfind(end) - 1 for begin, end in NO_EXPRESSIONS):
            raise only_expressions()
        return text
    try:
        return _compiled(text, spoken)
    except TemplateSyntaxError as error:
        raise ExpressionFault(in_plain_words(error)) from None
    except RecursionError:
        raise ExpressionFault("goes too deep: too many brackets") from None
    except (ValueError, OverflowError):  # Python's own, from a number with thousands of digits
        raise ExpressionFault("has a number that is too large") from None


def _compiled(text: str, spoken: bool) -> Expression:
    sources = list(_sources(text))
    if len(sources) > MOST_EXPRESSIONS:
        raise ExpressionFault(f"has {len(sources)} expressions, but must have {MOST_EXPRESSIONS} at most")
    for source in sources:
        if len(source) > LONGEST_EXPRESSION:
            raise ExpressionFault(f"has an expression of more than {LONGEST_EXPRESSION:,} characters")
    texts, check, parts = iter(sources), StaticCheck(), list[str | Part]()
    for output in ENVIRONMENT.parse(text).body:
        if not isinstance(output, nodes.Output):
            raise only_expressions()
        for node in output.nodes:
            if isinstance(node, nodes.TemplateData):
                parts.append(node.data)
            else:
                parts.append(ready(node, next(texts), check))
    return Expression(
        text,
        frozenset(check.uses),
        "".join(part for part in parts if isinstance(part, str)),
        _mode(parts, spoken),
        tuple(parts),
    )


def _sources(text: str) -> Iterator[str]:
    """The text between each {{ and }}."""
    source: list[str] = []
    for _, kind, value in ENVIRONMENT.lex(text):
        if kind in {"block_begin", "raw_begin", "comment_begin"}:
            raise only_expressions()
        if kind == "variable_begin":
            source = []
        elif kind == "variable_end":
            yield "".join(source).strip()
        else:
            source.append(value)


def _mode(parts: Sequence[str | Part], spoken: bool) -> _Mode:
    if not spoken:
        return _Mode.VALUE if len(parts) == 1 else _Mode.TEXT
    if not (isinstance(parts[0], str) and SSML.match(parts[0])):
        if any(isinstance(part, str) and SPEAK.search(part) for part in parts):
            raise ExpressionFault("has <speak> in it, but not at its very beginning: all of it must be in <speak>")
        return _Mode.SPOKEN
    skeleton = "".join(part.replace(HERE, "") if isinstance(part, str) else HERE for part in parts)
    for markup in MARKUP.findall(skeleton):
        if HERE in (markup if markup.startswith(("<!", "<?")) else QUOTED.sub("", markup)):
            words = "has an expression inside a tag of SSML: it may be between tags, or in the quotes of an attribute"
            raise ExpressionFault(words)
    return _Mode.SSML
