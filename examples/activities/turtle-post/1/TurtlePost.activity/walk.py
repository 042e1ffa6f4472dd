# SPDX-License-Identifier: Apache-2.0
"""Words as walks on squared paper.

A walk is a row of arrows, each with the number of its steps before it unless
it is one, and dots: a dot lifts the turtle's tail or puts it down again. The
turtle begins with its tail down.
"""

import unicodedata

ARROWS = {
    '\u2191': (0, 1), '\u2197': (1, 1), '\u2192': (1, 0), '\u2198': (1, -1),
    '\u2193': (0, -1), '\u2199': (-1, -1), '\u2190': (-1, 0),
    '\u2196': (-1, 1)}
SIGNS = {step: arrow for arrow, step in ARROWS.items()}
TAIL = '.'
MOST_STEPS = 4000

# Each letter stands on three columns and five rows of points: "04" is the
# left column and the top row. A bar is a jump with the tail lifted.
LETTERS = {
    'A': '00 03 14 23 20|02 22', 'B': '00 04 14 23 12 02|12 21 10 00',
    'C': '24 14 03 01 10 20', 'D': '00 04 14 23 21 10 00',
    'E': '24 04 00 20|02 12', 'F': '24 04 00|02 12',
    'G': '24 14 03 01 10 20 22 12', 'H': '00 04|02 22|20 24',
    'I': '10 14|04 24|00 20', 'J': '24 21 10 01', 'K': '00 04|24 02 20',
    'L': '04 00 20', 'M': '00 04 13 24 20', 'N': '00 04|03 21|20 24',
    'O': '10 01 03 14 23 21 10', 'P': '00 04 14 23 12 02',
    'Q': '10 01 03 14 23 21 10|11 20', 'R': '00 04 14 23 12 02 20',
    'S': '24 14 03 21 10 00', 'T': '10 14|04 24', 'U': '04 00 20 24',
    'V': '04 01 10 21 24', 'W': '04 00 11 20 24',
    'X': '00 01 23 24|04 03 21 20', 'Y': '04 03 12 23 24|12 10',
    'Z': '04 24 23 01 00 20', ' ': ''}
WIDTH = 3  # from the start of a letter to the start of the next


class WalkError(Exception):
    """A walk the turtle cannot walk; sign is what it stopped at."""

    def __init__(self, sign):
        Exception.__init__(self, sign)
        self.sign = sign


def write(word):
    """Return the walk of a word; WalkError names a letter it does not know."""
    signs = []
    here, tail_down = (0, 0), True
    for place, letter in enumerate(_plain(word)):
        if letter not in LETTERS:
            raise WalkError(letter)
        for stroke in LETTERS[letter].split('|'):
            for i, point in enumerate(stroke.split()):
                there = (place * WIDTH + int(point[0]), int(point[1]))
                if there != here:
                    if tail_down != (i > 0):
                        tail_down = not tail_down
                        signs.append(TAIL)
                    signs.extend(_signs_between(here, there))
                    here = there
    return ''.join(signs)


def _plain(word):
    """Return the word in capitals, its letters without their accents."""
    return ''.join(letter for letter in
                   unicodedata.normalize('NFD', word.upper())
                   if not unicodedata.combining(letter))


def _signs_between(here, there):
    across, up = there[0] - here[0], there[1] - here[1]
    slanted = min(abs(across), abs(up))
    step = ((across > 0) - (across < 0), (up > 0) - (up < 0))
    straight = (step[0] * (abs(across) > slanted),
                step[1] * (abs(up) > slanted))
    for count, way in ((slanted, step),
                       (max(abs(across), abs(up)) - slanted, straight)):
        if count:
            yield (str(count) if count > 1 else '') + SIGNS[way]


def follow(text):
    """Return the steps of a walk as (from, to, drawn), or raise WalkError."""
    steps = []
    here, tail_down, count = (0, 0), True, ''
    for sign in text:
        if sign in '0123456789':
            count += sign
            if len(count) > 2:
                raise WalkError(count)
        elif sign in ARROWS:
            for unused in range(int(count or 1)):
                way = ARROWS[sign]
                there = (here[0] + way[0], here[1] + way[1])
                steps.append((here, there, tail_down))
                here = there
            count = ''
            if len(steps) > MOST_STEPS:
                raise WalkError(sign)
        elif sign == TAIL and not count:
            tail_down = not tail_down
        elif not sign.isspace():
            raise WalkError(sign)
    if count:
        raise WalkError(count)
    return steps
