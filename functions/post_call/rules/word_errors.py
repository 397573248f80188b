"""Word error rate: how far a transcript is from what was said.

Both texts are brought to the same form first, so that only words count:

- lower case, no punctuation; a hyphen separates words;
- a number of one or two digits is read as a cardinal (45 -> forty five), a longer one digit by
  digit (4712 -> four seven one two), as people read account numbers; % is percent;
- an address is read out: john.smith@example.com -> john dot smith at example dot com;
- contractions are written out (can't, cannot -> can not; I'm -> I am; we'll -> we will; 'd is
  taken for would). 's is "is" only after the words in `IS_AFTER`, elsewhere it marks an owner.
"""

import re
from dataclasses import dataclass

# fmt: off
ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
]
# fmt: on
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
IS_AFTER = "it|that|he|she|there|here|what|where|who|how"
REWRITES = (
    ("[\u2019`]", "'"),
    (r"@", " at "),
    (r"%", " percent"),
    (r"(?<=\w)\.(?=\w)", " dot "),
    (r"\d+", lambda number: f" {_read_number(number[0])} "),
    (r"\bwon't\b", "will not"),
    (r"\bcan(?:'t|not)\b", "can not"),
    (r"\blet's\b", "let us"),
    (r"n't\b", " not"),
    (r"'m\b", " am"),
    (r"'re\b", " are"),
    (r"'ll\b", " will"),
    (r"'ve\b", " have"),
    (r"'d\b", " would"),
    (rf"\b({IS_AFTER})'s\b", r"\1 is"),
    (r"\bok\b", "okay"),
)


@dataclass(frozen=True)
class WordErrors:
    """The cheapest edits that turn the reference into the transcript, in words."""

    substitutions: int
    insertions: int
    deletions: int
    reference_length: int

    @property
    def rate(self) -> float:
        """Errors per reference word; 0.0 is perfect, insertions can bring it above 1.0."""
        errors = self.substitutions + self.insertions + self.deletions
        return errors / max(self.reference_length, 1)


def word_errors(reference: str, transcript: str) -> WordErrors:
    """Compares a transcript with its reference, both plain text."""
    said, heard = normalise(reference), normalise(transcript)
    row = [(j, 0, j, 0) for j in range(len(heard) + 1)]
    for i, word in enumerate(said, 1):
        above, row = row, [(i, 0, 0, i)]
        for j, other in enumerate(heard, 1):
            if word == other:
                row.append(above[j - 1])
                continue
            cost, sub, ins, dele = min(above[j - 1], row[j - 1], above[j])
            if (cost, sub, ins, dele) == above[j - 1]:
                row.append((cost + 1, sub + 1, ins, dele))
            elif (cost, sub, ins, dele) == row[j - 1]:
                row.append((cost + 1, sub, ins + 1, dele))
            else:
                row.append((cost + 1, sub, ins, dele + 1))
    _, substitutions, insertions, deletions = row[-1]
    return WordErrors(substitutions, insertions, deletions, len(said))


def normalise(text: str) -> list[str]:
    """The words of a text in the form that is compared."""
    text = text.lower()
    for pattern, replacement in REWRITES:
        text = re.sub(pattern, replacement, text)
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", text)


def _read_number(digits: str) -> str:
    if len(digits) > 2 or (len(digits) == 2 and digits[0] == "0"):
        return " ".join(ONES[int(digit)] for digit in digits)
    number = int(digits)
    if number < 20:
        return ONES[number]
    tens, ones = divmod(number, 10)
    return TENS[tens - 2] + (f" {ONES[ones]}" if ones else "")
