"""Personal data in turns, spoken or written, and its redaction in text and audio.

This is no compliance-grade redaction. It reads a weak recogniser's words by rules for English, so
it misses what was misheard, and it errs on the side of masking: where somebody is asked for a
number, every digit of the whole answering turn is masked.

A run of digits ("four seven one two", "double nine", "4712 88") is typed by the nearest cue: in the
same turn, or in what the other participant asked before. Without a cue only long runs count. Types
are Amazon's PII types; `DATE_TIME` is a date of birth and `NUMBER`, which Amazon has not, any other
number that was asked for (an order, a reference).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypedDict

from post_call.model import CallDocument, Detected, Item, TimeRange, Turn
from post_call.rules.words import REDACTED, Word, when_said, word_set, words_of

ANSWER_TURNS = 4
"""How many turns after a question may hold its answer."""

_UNITS = word_set("zero nought one two three four five six seven eight nine")
_TEENS = word_set("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
_TENS = word_set("twenty thirty forty fourty fifty sixty seventy eighty ninety")
_SCALES = word_set("hundred thousand")
_REPEATS = {"double": 1, "triple": 2, "treble": 2}
_ORDINALS = word_set(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth"
    " fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth"
)
_MONTHS = word_set(
    "january february march april may june july august september october november december"
)
_JOINERS = word_set(
    "dash hyphen space slash point then and uh um er so of the to too for won ate tree"
)
"""Words that do not break a run, among them what a recogniser hears for two, four, one, eight."""
_AMOUNT_UNITS = word_set(
    "dollar dollars pound pounds euro euros cent cents pence percent minute minutes hour hours day"
    " days week weeks month months year years times o'clock am pm people items"
)
_FILLERS = word_set(
    "um uh er yeah yes yep sure okay ok so well oh hi hello right it is that would be the my name"
    " email address and i am this of course no thanks thank you mhm here speaking calling please"
    " sorry alright absolutely perfect great i'm can do me to at"
)
_NOT_NAMES = _FILLERS | word_set(
    "[pii] a an not going just calling speaking from with about having trying looking very really"
    " happy afraid glad still also now today there where what who when how why on in for someone"
    " somebody supervisor manager agent customer was were have has had would could should we they"
    " he she you your our their but because or if then last first correct done all good fine one"
    " help need want will may me us"
)
_NAME_LIMIT = 2
_SPELT_LETTERS = 3
_EMAIL_BARE_WORDS = 3
_STREETS = word_set(
    "street st road rd avenue ave lane ln drive dr court ct close way boulevard blvd place terrace"
    " square crescent highway"
)

_MIN_DIGITS = {
    "CREDIT_DEBIT_CVV": 3,
    "CREDIT_DEBIT_EXPIRY": 3,
    "PIN": 3,
    "SSN": 3,
    "DATE_TIME": 2,
    "ADDRESS": 1,
}
_MIN_DIGITS_WITH_CUE = 4
_MIN_DIGITS_WITHOUT_CUE = 6
_CUE_REACH = 60
"""How many characters before a number its cue may stand."""

_NUMBER_CUES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (r"security code|\bcvv\b|\bcvc\b|(?:on the|at the) back of", "CREDIT_DEBIT_CVV"),
        (r"expir(?:y|es|ation|ed)", "CREDIT_DEBIT_EXPIRY"),
        (r"\bpin\b|pin number|pass ?code", "PIN"),
        (r"\bsocial\b|social security|national insurance", "SSN"),
        (r"date of birth|birth ?(?:day|date)|\bborn\b", "DATE_TIME"),
        (r"routing|sort code", "BANK_ROUTING"),
        (r"(?:credit|debit|bank) card|card number|long number|on the (?:front|card)|"
         r"card ending|ending in", "CREDIT_DEBIT_NUMBER"),
        (r"\b(?:tele)?phone\b|\bmobile\b|\bcell\b|contact number|call(?:ing)? (?:you|me) (?:back )?"
         r"(?:on|at)|reach (?:you|me)|number (?:you are|you're) calling from", "PHONE"),
        (r"post ?code|zip(?: code)?\b|(?<!email )(?<!mail )\baddress\b|where do you live|"
         r"live (?:at|in|on)", "ADDRESS"),
        (r"account|member(?:ship)?|customer (?:number|id)|\biban\b", "BANK_ACCOUNT_NUMBER"),
        (r"\bnumbers?\b|\bdigits?\b|reference|\bcode\b|\bid\b", "NUMBER"),
    )
)  # fmt: skip
_NAME_CUE = re.compile(
    r"(?:your|first|last|full|sur|sir|family|maiden) ?name|who am i (?:speaking|talking)|"
    r"(?:who|whom)(?: do i have| is (?:this|calling))|am i speaking (?:with|to)\W*$|"
    r"spell (?:that|it|your|the)",
    re.IGNORECASE,
)
_EMAIL_CUE = re.compile(r"\be-?\s?mail\b", re.IGNORECASE)
_ASKING = re.compile(
    r"\?|\b(?:can|could|may|would) (?:i|you|we)\b|\bwhat(?:'s|\u2019s| is| was| are)?\b|\bplease\b|"
    r"\bgive me\b|\btell me\b|\bconfirm\b|\bverify\b|\bprovide\b|\bneed\b|\bdo you have\b|\bwho\b|"
    r"\bwhere\b|\bread (?:me|out)\b|\bspell\b|\blast (?:four|three|two|4|3)\b|\bremind me\b",
    re.IGNORECASE,
)
_SHORT_REQUEST = re.compile(r"^(?:\W*\w+\b){0,3}\W+your(?:\W+\w+){1,4}\W*$", re.IGNORECASE)
"""As in "okay and your date of birth"."""

_WRITTEN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+"), "EMAIL"),
    (re.compile(r"\b[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b", re.IGNORECASE), "ADDRESS"),
    (re.compile(r"\b\d{3}-\d{2}-\d{4}\b"), "SSN"),
    (re.compile(r"(?<!\w)\+?\(?\d[\d() .-]{7,}\d\b"), "PHONE"),
)
_SPOKEN_EMAIL = re.compile(
    r"(?<![\w'])(?:[\w']+ (?:dot|underscore|dash|hyphen|plus) )*[\w']+ at (?:[\w']+ ){1,3}?"
    r"dot [\w']+(?: dot [\w']+)?",
    re.IGNORECASE,
)
_INTRODUCED = re.compile(
    r"\b(?:(?:my|the|your|his|her) (?:\w+ )?name(?: is|'s|\u2019s)|name is|(?:am i|you are|you're)"
    r" speaking (?:with|to)|(?:mr|mrs|ms|mister|missus)\.?) +",
    re.IGNORECASE,
)
_THIS_IS = re.compile(r"\b(?:this is|you're through to|you are through to) +", re.IGNORECASE)
_AFTER_NAME = word_set("speaking here calling")


@dataclass(frozen=True, slots=True)
class Span:
    """Personal data in a turn: characters of the original `Content` and the audio to silence.

    Times are milliseconds; a turn without items has no word times, so they cover the whole turn.
    """

    turn_id: str
    begin_char: int
    end_char: int
    begin_ms: int
    end_ms: int
    type: str


class Redaction(TypedDict):
    """As Call Analytics writes it: one list of ranges inside a list."""

    RedactedTimestamps: list[list[TimeRange]]


class RedactedTurn(Turn):
    Redaction: Redaction


@dataclass(frozen=True, slots=True)
class _Piece:
    begin: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class _Question:
    """What a turn asked for; `kinds` may hold several."""

    role: str
    kinds: tuple[str, ...]
    turns_left: int


def find_personal_data(turns: Sequence[Turn]) -> list[Span]:
    """Spans in turn and text order; those of one turn do not overlap."""
    pieces: list[list[_Piece]] = []
    question: _Question | None = None
    for turn in turns:
        words = words_of(turn["Content"])
        found = [
            *_written(turn["Content"]),
            *_spoken_emails(turn["Content"], words),
            *_names(turn, words),
            *_spelt(words),
            *_numbers(turn, words, question),
        ]
        if question and _answers(turn, question):
            found += _answer(turn["Content"], words, question)
        pieces.append(found)
        question = _next_question(turn, question)
    names = _known_names(turns, pieces)
    return [
        span
        for turn, found in zip(turns, pieces, strict=True)
        for span in _spans(turn, [*found, *_mentions(turn["Content"], names)])
    ]


def redact(document: CallDocument, spans: Sequence[Span]) -> CallDocument:
    """The document with `[PII]` in place of each span, in `Content` and `Items`, as Amazon does.

    Offsets of issues, outcomes and action items move along.
    """
    transcript: list[Turn] = [
        _redact_turn(turn, [span for span in spans if span.turn_id == turn["Id"]])
        for turn in document["Transcript"]
    ]
    redacted = document.copy()
    redacted["Transcript"] = transcript
    redacted["ContentMetadata"] = {"Output": "Redacted", "RedactionTypes": ["PII"]}
    return redacted


def shift_offsets(turn_id: str, begin: int, end: int, spans: Iterable[Span]) -> tuple[int, int]:
    """Characters of the original content as characters of the redacted content.

    A range that overlaps a redaction grows to hold the whole `[PII]`.
    """
    before_begin = before_end = 0
    own = [span for span in spans if span.turn_id == turn_id]
    for span in own:
        if span.begin_char < end and span.end_char > begin:
            begin, end = min(begin, span.begin_char), max(end, span.end_char)
    for span in own:
        change = len(REDACTED) - (span.end_char - span.begin_char)
        before_begin += change if span.end_char <= begin else 0
        before_end += change if span.end_char <= end else 0
    return begin + before_begin, end + before_end


# --- questions and answers


def _next_question(turn: Turn, open_question: _Question | None) -> _Question | None:
    kinds = _asked_for(turn["Content"])
    if turn["ParticipantRole"] == "CUSTOMER":  # what customers ask for is rarely personal
        kinds = tuple(kind for kind in kinds if kind == "NAME")
    if kinds:
        return _Question(turn["ParticipantRole"], kinds, ANSWER_TURNS)
    if open_question and open_question.turns_left > 1:
        return _Question(open_question.role, open_question.kinds, open_question.turns_left - 1)
    return None


def _asked_for(content: str) -> tuple[str, ...]:
    if not _ASKING.search(content) and not _SHORT_REQUEST.search(content):
        return ()
    kinds = ["NAME"] if _NAME_CUE.search(content) else []
    if _EMAIL_CUE.search(content):
        kinds.append("EMAIL")
    if number := _cue_type(content):
        kinds.append(number)
    return tuple(kinds)


def _cue_type(content: str) -> str | None:
    """The most particular thing the text speaks of."""
    return next((kind for cue, kind in _NUMBER_CUES if cue.search(content)), None)


def _answers(turn: Turn, question: _Question) -> bool:
    """Unknown speakers may answer themselves: who spoke cannot be told."""
    return turn["ParticipantRole"] != question.role or question.role == "UNKNOWN"


def _answer(content: str, words: list[Word], question: _Question) -> list[_Piece]:
    """What the whole answering turn gives away."""
    pieces: list[_Piece] = []
    for kind in question.kinds:
        if kind == "NAME":
            pieces += _answered_name(words, question)
        elif kind == "EMAIL":
            pieces += _answered_email(words)
        elif kind == "ADDRESS":
            pieces += _answered_address(words)
        else:
            pieces += [
                _Piece(run[0].begin_char, run[-1].end_char, kind) for run in _number_runs(words)
            ]
            pieces += [
                _Piece(word.begin_char, word.end_char, kind)
                for word in words
                if kind == "DATE_TIME" and (word.text in _ORDINALS or word.text in _MONTHS)
            ]
    return pieces


def _answered_name(words: list[Word], question: _Question) -> list[_Piece]:
    """The first answering turn's words that are no filler, when they are few enough for a name."""
    said = [word for word in words if word.text not in _NOT_NAMES]
    if question.turns_left < ANSWER_TURNS - 1 or not said:
        return []
    spelt = [word for word in said if len(word.text) == 1]
    if len(said) > 2 * _NAME_LIMIT and len(spelt) * 2 < len(said):
        return []
    return [_Piece(word.begin_char, word.end_char, "NAME") for word in said]


def _answered_email(words: list[Word]) -> list[_Piece]:
    """All from the first word that is no filler, once the answer sounds like an address."""
    if not {"at", "dot"} & {word.text for word in words}:
        return []
    said = [word for word in words if word.text not in _FILLERS]
    return [_Piece(said[0].begin_char, words[-1].end_char, "EMAIL")] if said else []


def _answered_address(words: list[Word]) -> list[_Piece]:
    """From the first number, or from three words before the street, to the end of the turn."""
    for index, word in enumerate(words):
        if _is_number(word.text):
            return [_Piece(word.begin_char, words[-1].end_char, "ADDRESS")]
        if word.text in _STREETS:
            return [_Piece(words[max(index - 3, 0)].begin_char, words[-1].end_char, "ADDRESS")]
    return []


# --- numbers


def _is_number(word: str) -> bool:
    return (
        word in _UNITS
        or word in _TEENS
        or word in _TENS
        or word in _REPEATS
        or any(char.isdigit() for char in word)
    )


def _numbers(turn: Turn, words: list[Word], question: _Question | None) -> list[_Piece]:
    content = turn["Content"]
    pieces = []
    for run in _number_runs(words):
        first, last = run[0], run[-1]
        kind = _cue_type(content[max(first.begin_char - _CUE_REACH, 0) : first.begin_char])
        if question and not kind and (_answers(turn, question) or _reads_back(run)):
            kind = _number_asked(question)
        digits = _count_digits(run)
        following = next((word.text for word in words if word.begin_char >= last.end_char), "")
        if digits < _digits_needed(kind, amount=following in _AMOUNT_UNITS):
            continue
        pieces.append(_Piece(first.begin_char, last.end_char, kind or _type_by_length(digits)))
    return pieces


def _number_asked(question: _Question) -> str | None:
    return next((kind for kind in question.kinds if kind not in ("NAME", "EMAIL")), None)


def _reads_back(run: list[Word]) -> bool:
    """Who asked repeats the number; "between ten and twelve" is none."""
    numbers = [word.text for word in run if _is_number(word.text)]
    return len(numbers) > 2 or any(sum(map(str.isdigit, number)) > 3 for number in numbers)


def _digits_needed(kind: str | None, *, amount: bool) -> int:
    if kind is None or amount:
        return _MIN_DIGITS_WITHOUT_CUE
    return _MIN_DIGITS.get(kind, _MIN_DIGITS_WITH_CUE)


def _type_by_length(digits: int) -> str:
    if digits >= 13:
        return "CREDIT_DEBIT_NUMBER"
    return "PHONE" if digits >= 9 else "BANK_ACCOUNT_NUMBER"


def _number_runs(words: list[Word]) -> list[list[Word]]:
    """Number words in a row; a joiner, or single letters as in a postcode, do not break a run."""
    runs: list[list[Word]] = []
    run: list[Word] = []
    pending: list[Word] = []
    for index, word in enumerate(words):
        if _is_number(word.text) or (run and _is_inside_run(word.text)):
            run += [*(pending if run else _letters_before(words, index)), word]
            pending = []
        elif run and len(pending) < 2 and word.text in _JOINERS:
            pending.append(word)
        else:
            runs.append(run)
            run, pending = [], []
    return [found for found in [*runs, run] if found]


def _letters_before(words: list[Word], index: int) -> list[Word]:
    """The letters, or the "oh", that a number or a postcode begins with."""
    begin = index
    while begin > 0 and _is_inside_run(words[begin - 1].text):
        begin -= 1
    letters = words[begin:index]
    return letters[1:] if letters and letters[0].text == "a" else letters


def _is_inside_run(word: str) -> bool:
    return word in _SCALES or word == "oh" or (len(word) == 1 and word != "i")


def _count_digits(run: list[Word]) -> int:
    return sum(
        sum(char.isdigit() for char in word.text)
        or _REPEATS.get(word.text, 2 if word.text in _TENS | _TEENS else 1)
        for word in run
        if word.text not in _JOINERS | _SCALES
    )


# --- names, e-mail addresses and what is written


def _written(content: str) -> list[_Piece]:
    pieces = []
    for pattern, kind in _WRITTEN:
        for match in pattern.finditer(content):
            digits = sum(char.isdigit() for char in match.group())
            written = _type_by_length(digits) if kind == "PHONE" else kind
            pieces.append(_Piece(match.start(), match.end(), written))
    return pieces


def _spoken_emails(content: str, words: list[Word]) -> list[_Piece]:
    """`john dot smith at example dot com`; the part before "at" may be several bare words."""
    pieces = []
    for match in _SPOKEN_EMAIL.finditer(content):
        local_part = words_of(match.group().lower().split(" at ")[0])
        bare_words = _EMAIL_BARE_WORDS if len(local_part) == 1 else 0
        begin = match.start()
        for word in reversed([word for word in words if word.end_char <= match.start()]):
            if len(word.text) > 1 and not _is_number(word.text):
                bare_words -= 1
                if bare_words < 0 or word.text in _NOT_NAMES:
                    break
            begin = word.begin_char
        pieces.append(_Piece(begin, match.end(), "EMAIL"))
    return pieces


def _names(turn: Turn, words: list[Word]) -> list[_Piece]:
    content = turn["Content"]
    pieces = []
    for match in _INTRODUCED.finditer(content):
        pieces += _name_at(match.end(), words)
    for match in _THIS_IS.finditer(content):
        name = _name_at(match.end(), words)
        if name and (content[name[0].begin].isupper() or _introduces(turn, name[-1].end, words)):
            pieces += name
    return pieces


def _introduces(turn: Turn, end_of_name: int, words: list[Word]) -> bool:
    """What follows tells a name from "this is ridiculous"."""
    following = [word.text for word in words if word.begin_char >= end_of_name][:3]
    if not following or following[0] in _AFTER_NAME:
        return bool(following)
    return turn["ParticipantRole"] != "CUSTOMER" and (
        following[0] in ("from", "with") or following in (["how", "can", "i"], ["how", "may", "i"])
    )


def _spelt(words: list[Word]) -> list[_Piece]:
    """Three letters in a row or more: somebody spells a name."""
    pieces = []
    run: list[Word] = []
    for word in [*words, Word("", 0, 0)]:
        if len(word.text) == 1 and word.text.isalpha():
            run.append(word)
        else:
            if len(run) >= _SPELT_LETTERS:
                pieces.append(_Piece(run[0].begin_char, run[-1].end_char, "NAME"))
            run = []
    return pieces


def _name_at(begin: int, words: list[Word]) -> list[_Piece]:
    """One or two words from there on that can be a name."""
    name: list[_Piece] = []
    for word in words:
        if word.begin_char < begin:
            continue
        if word.text in _NOT_NAMES or len(name) == _NAME_LIMIT:
            break
        name.append(_Piece(word.begin_char, word.end_char, "NAME"))
    return name


def _known_names(turns: Sequence[Turn], pieces: list[list[_Piece]]) -> frozenset[str]:
    """Names found anywhere, to be masked wherever they are said again."""
    said = (
        turn["Content"][piece.begin : piece.end].lower()
        for turn, found in zip(turns, pieces, strict=True)
        for piece in found
        if piece.type == "NAME"
    )
    return frozenset(name for name in said if len(name) >= 3 and name not in _NOT_NAMES)


def _mentions(content: str, names: frozenset[str]) -> list[_Piece]:
    return [
        _Piece(word.begin_char, word.end_char, "NAME")
        for word in words_of(content)
        if word.text.removesuffix("'s") in names
    ]


# --- spans and redaction


def _spans(turn: Turn, pieces: list[_Piece]) -> list[Span]:
    merged: list[_Piece] = []
    for piece in sorted(pieces, key=lambda piece: (piece.begin, -piece.end)):
        if merged and _touches(turn["Content"], merged[-1], piece):
            last = merged[-1]
            merged[-1] = _Piece(last.begin, max(last.end, piece.end), last.type)
        else:
            merged.append(piece)
    return [
        Span(
            turn["Id"],
            piece.begin,
            piece.end,
            *when_said(turn, piece.begin, piece.end),
            piece.type,
        )
        for piece in merged
    ]


def _touches(content: str, last: _Piece, piece: _Piece) -> bool:
    """Overlapping, or of one kind with nothing but spaces and signs between."""
    if piece.begin < last.end:
        return True
    between = content[last.end : piece.begin]
    return piece.type == last.type and not any(char.isalnum() for char in between)


def _redact_turn(turn: Turn, spans: list[Span]) -> RedactedTurn:
    content, cursor = "", 0
    for span in sorted(spans, key=lambda span: span.begin_char):
        content += turn["Content"][cursor : span.begin_char] + REDACTED
        cursor = span.end_char
    silenced: list[TimeRange] = [
        {"BeginOffsetMillis": span.begin_ms, "EndOffsetMillis": span.end_ms} for span in spans
    ]
    redacted: RedactedTurn = {
        **turn,
        "Content": content + turn["Content"][cursor:],
        "Redaction": {"RedactedTimestamps": [silenced]},
    }
    if "Items" in turn:
        redacted["Items"] = _redact_items(turn, spans)
    if "IssuesDetected" in turn:
        redacted["IssuesDetected"] = _shift(turn["Id"], turn["IssuesDetected"], spans)
    if "OutcomesDetected" in turn:
        redacted["OutcomesDetected"] = _shift(turn["Id"], turn["OutcomesDetected"], spans)
    if "ActionItemsDetected" in turn:
        redacted["ActionItemsDetected"] = _shift(turn["Id"], turn["ActionItemsDetected"], spans)
    return redacted


def _redact_items(turn: Turn, spans: list[Span]) -> list[Item]:
    """One `[PII]` item for the items in each span's time."""
    items: list[Item] = []
    written: set[Span] = set()
    for item in turn.get("Items", []):
        span = _span_of(item, spans)
        if span is None:
            items.append(item)
        elif span not in written:
            written.add(span)
            items.append(
                {
                    "Type": "pronunciation",
                    "Content": REDACTED,
                    "BeginOffsetMillis": span.begin_ms,
                    "EndOffsetMillis": span.end_ms,
                }
            )
    return items


def _span_of(item: Item, spans: list[Span]) -> Span | None:
    if "BeginOffsetMillis" not in item or "EndOffsetMillis" not in item:
        return None
    middle = (item["BeginOffsetMillis"] + item["EndOffsetMillis"]) // 2
    return next((span for span in spans if span.begin_ms <= middle <= span.end_ms), None)


def _shift(turn_id: str, detected: list[Detected], spans: list[Span]) -> list[Detected]:
    shifted: list[Detected] = []
    for one in detected:
        if "CharacterOffsets" not in one:  # Amazon's own, with offsets of both texts already
            shifted.append(one)
            continue
        offsets = one["CharacterOffsets"]
        begin, end = shift_offsets(turn_id, offsets["Begin"], offsets["End"], spans)
        shifted.append({"CharacterOffsets": {"Begin": begin, "End": end}})
    return shifted
