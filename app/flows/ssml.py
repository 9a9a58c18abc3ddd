"""Texts of `talk`: whether Vonage can say them, as plain text or as SSML.

All of an SSML text is in one `<speak>`, so a DOCTYPE, or entities of one's own, cannot be in it.
https://developer.vonage.com/en/voice/voice-api/concepts/customizing-tts
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html.entities import html5
from typing import Final
from xml.parsers import expat

from vonage_simulator.json_shape import Found
from vonage_simulator.yaml_source import HALF_A_CHARACTER

SPEAK: Final = re.compile(r"<speak(?=[\s/>]|\Z)", re.IGNORECASE)
SPEAK_ENDS: Final = re.compile(r"(?:</speak[ \t\r\n]*>|/>)[ \t\r\n]*\Z")
SOUNDS: Final = ("audio", "break", "phoneme", "sub")  # SSML that says something, or pauses, without a word in it


def ssml_fault(text: str) -> str | None:
    """Why *text*, which has `<speak>` in it, is no SSML; None if it is, or has none in it."""
    return _Speech(text).fault if SPEAK.search(text) else None


def speech_faults(text: str) -> Iterator[Found]:
    """Why nothing would be said; of its length see `vonage_simulator.ncco`."""
    speech = _Speech(text) if SPEAK.search(text) else None
    if HALF_A_CHARACTER.search(text):  # a fault of its own
        return
    if speech and speech.fault:
        yield (), speech.fault
    elif not (speech.has_sound if speech else _has_words(text)):
        or_tags = f", and none of the tags {', '.join(SOUNDS)}" * bool(speech)
        yield (), f"It says nothing: it has no letter and no digit{or_tags}."


class _Speech:
    """A text in `<speak>`, parsed as XML: what is wrong with it, else whether it has any sound."""

    def __init__(self, text: str) -> None:
        self.has_sound = self._over = False
        self._open: list[str] = []
        self.fault = self._fault(text)

    def _fault(self, text: str) -> str | None:
        if HALF_A_CHARACTER.search(text):  # a fault of its own
            return None
        if not (begins := SPEAK.match(text.lstrip(" \t\r\n"))):
            return "It is no SSML: <speak> must be at its very beginning, and </speak> at its end."
        if begins[0] != "<speak":
            return f"It is no SSML: it begins with {begins[0]}>, but must begin with <speak>, in small letters."
        parser = expat.ParserCreate()  # tags of any prefix are accepted: makers of voices have their own
        parser.StartElementHandler, parser.EndElementHandler = self._begin, self._end
        parser.CharacterDataHandler = self._words
        try:
            parser.Parse(text, True)
        except expat.ExpatError as error:
            place = f"line {error.lineno}, column {error.offset + 1}"
            at = len(text.encode()[: max(parser.ErrorByteIndex, 0)].decode(errors="ignore"))
            message = expat.ErrorString(error.code) or ""
            return f"It is no SSML: {place}: {message}{self._advice(text, at, message)}."
        if not SPEAK_ENDS.search(text):
            return "It is no SSML: nothing but blanks may follow </speak>."
        return None

    def _advice(self, text: str, at: int, message: str) -> str:
        """What to do about *message*, an error at the index *at* of *text*."""
        if message in (expat.errors.XML_ERROR_TAG_MISMATCH, expat.errors.XML_ERROR_NO_ELEMENTS):
            tag = self._open[-1][:40]
            return f"; <{tag}> must be closed first: </{tag}>, or <{tag}/>"
        if self._over:
            return "; nothing but blanks may follow </speak>"
        if not self._open or message == expat.errors.XML_ERROR_BAD_CHAR_REF:
            return ""
        if (name := re.match(r"&(\w{1,40};)", text[at:])) and name[1] in html5:
            return f"; XML has no name {name[0]}: write the character itself"
        if text[at : at + 1] == "&" or re.search(r"&\w*\Z", text[max(at - 40, 0) : at]):
            return "; for & write &amp;"
        before = text[at - 1 : at]
        if before == "=":
            return "; the value of an attribute must be in quotes"
        return "; for < write &lt;" if "<" in (before, text[at : at + 1]) else ""

    def _begin(self, tag: str, _: Mapping[str, str]) -> None:
        self._open.append(tag)
        self.has_sound = self.has_sound or tag in SOUNDS

    def _end(self, _: str) -> None:
        self._open.pop()
        self._over = not self._open

    def _words(self, words: str) -> None:
        self.has_sound = self.has_sound or _has_words(words)


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)
