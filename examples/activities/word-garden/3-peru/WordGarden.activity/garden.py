# SPDX-License-Identifier: Apache-2.0
"""The rules of Word Garden, without a screen."""

import os
import random

LANGUAGES = (('en', 'English'), ('es', 'Español'), ('qu', 'Runasimi'))
MOST_PLANTS = 8
LONGEST_WORD = 12


def read_words(folder, language):
    """Return the (word, hint) pairs of a language's file in a folder."""
    words = []
    path = os.path.join(folder, language + '.txt')
    with open(path, encoding='utf-8') as lines:
        for line in lines:
            word, separator, hint = line.partition('=')
            word, hint = word.strip(), hint.strip()
            if line.startswith('#') or not separator:
                continue
            if 0 < len(word) <= LONGEST_WORD:
                words.append((word, hint))
    return words


class Garden:
    """A bed of flowers, and one plant that is still growing."""

    def __init__(self, words, chance=None):
        self._chance = chance or random.Random()
        self._words = []
        self._waiting = []
        self.flowers = []  # the words that have bloomed, the newest last
        self.change_words(words)

    def change_words(self, words):
        """Go on with other words; the flowers stay."""
        if not words:
            raise ValueError('a garden needs at least one word')
        self._words = list(words)
        self._waiting = []
        self.next_word()

    def next_word(self):
        """Scatter the letters of a word; none comes twice before all came."""
        if not self._waiting:
            self._waiting = self._words[:]
            self._chance.shuffle(self._waiting)
        self.word, self.hint = self._waiting.pop()
        self.leaves = 0
        self.letters = list(self.word)
        self._chance.shuffle(self.letters)

    def pick(self, letter):
        """Pick up a letter. True if it is the one that comes next."""
        if self.bloomed or letter != self.word[self.leaves]:
            return False
        self.leaves += 1
        if self.bloomed:
            self.flowers = self.flowers[1 - MOST_PLANTS:] + [self.word]
        return True

    @property
    def bloomed(self):
        return self.leaves == len(self.word)

    @property
    def spelled(self):
        return self.word[:self.leaves]
