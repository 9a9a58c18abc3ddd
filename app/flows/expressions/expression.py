"""A text with expressions: found in it when the file is read, filled when somebody calls, and safe to be said."""

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
from app.flows.expressions.static_check import Reading, Use
from app.flows.expressions.values import LONGEST, as_text, as_value
from app.flows.model import RenderFault, Scope, inputs_in

MOST_HOLES: Final = 100  # in one text
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
HERE: Final = "\0"  # where an expression stands, while markup is looked at

# https://www.w3.org/TR/xml/#charsets has neither these nor halves of characters, and nobody can say them.
_UNSAYABLE = {*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF} - {ord("\n"), ord("\t")}
SAID: Final = dict.fromkeys((*_UNSAYABLE, ord("<"), ord(">")), " ")
ESCAPED: Final = dict.fromkeys(_UNSAYABLE, " ") | str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
)


class _Manner(Enum):
    """What becomes of what expressions give."""

    VALUE = "the expression stands alone: its value is taken as it is"
    TEXT = "it becomes part of a text"
    SAID = "it is said: it must not become SSML"
    SSML = "it becomes text in SSML"


@dataclass(frozen=True, slots=True)
class Expression:
    """A text with expressions: a hole, or several.

    One expression alone gives a value of its own type; a text that is spoken, or has more to it, gives a text. In a
    text, numbers are written as Python writes them; none, true, false, lists and mappings are refused, for nobody
    would want them read out: that is a fault of the rendering, as what is not there.

    Attributes:
        source: The text as it stands in the file.
        uses: What it takes of the scope: a name, or a name and one item of it.
        least: What of it is there whatever the expressions give.
    """

    source: str
    uses: frozenset[Use]
    least: str
    _manner: _Manner
    _parts: tuple[str | Part, ...] = field(repr=False, compare=False)

    @property
    def names(self) -> frozenset[str]:
        """Which names of the scope it is made of."""
        return frozenset(use[0] for use in self.uses)

    @property
    def inputs(self) -> frozenset[str]:
        """The steps whose inputs it asks for."""
        return inputs_in(self.uses)

    def fill(self, scope: Scope) -> Any:
        """The value for this call. Raises RenderFault, and nothing else."""
        if self._manner is _Manner.VALUE:
            (only,) = self._parts
            return only if isinstance(only, str) else only.given(scope, as_value)
        text = "".join(part if isinstance(part, str) else self._written(part, scope) for part in self._parts)
        if len(text) > LONGEST:
            raise RenderFault(f"a text with expressions comes to more than {LONGEST:,} characters")
        return LIKE_SSML.sub(" ", text) if self._manner is _Manner.SAID else text

    def _written(self, part: Part, scope: Scope) -> str:
        text = part.given(scope, as_text)
        if self._manner is _Manner.SSML:
            return text.translate(ESCAPED)
        return text.translate(SAID) if self._manner is _Manner.SAID else text


def compiled(text: str, *, spoken: bool = False) -> Expression | str:
    """*text*, ready to be filled; *text* itself if no expression is in it.

    *spoken*: it is what a `talk` says. Raises ExpressionFault.
    """
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
    if len(sources) > MOST_HOLES:
        raise ExpressionFault(f"has {len(sources)} expressions, but must have {MOST_HOLES} at most")
    for source in sources:
        if len(source) > LONGEST_EXPRESSION:
            raise ExpressionFault(f"has an expression of more than {LONGEST_EXPRESSION:,} characters")
    given, reading, parts = iter(sources), Reading(), list[str | Part]()
    for output in ENVIRONMENT.parse(text).body:
        if not isinstance(output, nodes.Output):
            raise only_expressions()
        for node in output.nodes:
            if isinstance(node, nodes.TemplateData):
                parts.append(node.data)
            else:
                parts.append(ready(node, next(given), reading))
    return Expression(
        text,
        frozenset(reading.uses),
        "".join(part for part in parts if isinstance(part, str)),
        _manner(parts, spoken),
        tuple(parts),
    )


def _sources(text: str) -> Iterator[str]:
    """What stands between each {{ and }}."""
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


def _manner(parts: Sequence[str | Part], spoken: bool) -> _Manner:
    if not spoken:
        return _Manner.VALUE if len(parts) == 1 else _Manner.TEXT
    if not (isinstance(parts[0], str) and SSML.match(parts[0])):
        if any(isinstance(part, str) and SPEAK.search(part) for part in parts):
            raise ExpressionFault("has <speak> elsewhere than at its very beginning: all of it must stand in <speak>")
        return _Manner.SAID
    skeleton = "".join(part.replace(HERE, "") if isinstance(part, str) else HERE for part in parts)
    for markup in MARKUP.findall(skeleton):
        if HERE in (markup if markup.startswith(("<!", "<?")) else QUOTED.sub("", markup)):
            words = (
                "has an expression inside a tag of SSML: it may stand between tags, or in the quotes of an attribute"
            )
            raise ExpressionFault(words)
    return _Manner.SSML
