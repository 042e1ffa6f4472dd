# SPDX-License-Identifier: Apache-2.0
"""Word Garden: spell a word, grow a plant."""

import json
import locale
import math
import os
from gettext import gettext as _

import gi
gi.require_version('Gtk', '3.0')
from gi.repository import GLib
from gi.repository import Gtk

from sugar3.activity import activity
from sugar3.activity.widgets import ActivityToolbarButton
from sugar3.activity.widgets import StopButton
from sugar3.graphics import style
from sugar3.graphics.toolbarbox import ToolbarBox
from sugar3.graphics.toolbutton import ToolButton

import garden

PETALS = ((0.95, 0.45, 0.55), (0.98, 0.75, 0.3), (0.6, 0.5, 0.9),
          (0.95, 0.6, 0.35))


def draw_garden(context, width, height, bed):
    """Draw a garden.Garden on a cairo context of the given size."""
    context.set_source_rgb(0.78, 0.91, 0.98)
    context.paint()
    soil = height * 0.85
    context.set_source_rgb(0.5, 0.36, 0.24)
    context.rectangle(0, soil, width, height - soil)
    context.fill()
    room = width / (garden.MOST_PLANTS + 1)
    plants = [(word, len(word)) for word in bed.flowers]
    if not bed.bloomed:
        plants.append((bed.word, bed.leaves))
    for i, (word, leaves) in enumerate(plants):
        draw_plant(context, (i + 0.5) * room, soil, room,
                   height * 0.75 / (garden.LONGEST_WORD + 1), word, leaves)


def draw_plant(context, x, soil, room, leaf, word, leaves):
    top = soil - (leaves + 0.5) * leaf
    context.set_source_rgb(0.25, 0.55, 0.25)
    context.set_line_width(room / 20)
    context.move_to(x, soil)
    context.line_to(x, top)
    context.stroke()
    for i in range(leaves):
        side = 1 if i % 2 else -1
        y = soil - (i + 0.5) * leaf
        context.move_to(x, y)
        context.curve_to(x + side * room * 0.1, y - leaf,
                         x + side * room * 0.35, y - leaf,
                         x + side * room * 0.4, y - leaf * 0.6)
        context.curve_to(x + side * room * 0.3, y,
                         x + side * room * 0.1, y, x, y)
        context.fill()
    if leaves == len(word):
        radius = min(room, leaf * 3) * 0.2
        context.set_source_rgb(*PETALS[len(word) % len(PETALS)])
        for petal in range(5):
            angle = petal * 2 * math.pi / 5 - math.pi / 2
            context.arc(x + math.cos(angle) * radius,
                        top + math.sin(angle) * radius,
                        radius * 0.75, 0, 2 * math.pi)
            context.fill()
        context.set_source_rgb(0.98, 0.9, 0.4)
        context.arc(x, top, radius * 0.6, 0, 2 * math.pi)
        context.fill()


def show_large(label, text):
    label.set_markup('<span size="xx-large">%s</span>' %
                     GLib.markup_escape_text(text))


class WordGarden(activity.Activity):

    def __init__(self, handle):
        activity.Activity.__init__(self, handle)
        self.max_participants = 1
        self._folder = os.path.join(activity.get_bundle_path(), 'words')
        codes = [code for code, unused in garden.LANGUAGES]
        ours = (locale.getlocale(locale.LC_MESSAGES)[0] or 'en')[:2]
        self._language = ours if ours in codes else 'en'
        self._garden = garden.Garden(
            garden.read_words(self._folder, self._language))
        self._build_toolbar()

        self._bed = Gtk.DrawingArea()
        self._bed.connect('draw', self._draw_cb)
        self._hint = Gtk.Label(wrap=True)
        self._spelled = Gtk.Label()
        self._letters = Gtk.Box(spacing=style.DEFAULT_SPACING,
                                homogeneous=True,
                                border_width=style.DEFAULT_SPACING)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
        box.pack_start(self._bed, True, True, 0)
        for widget in (self._hint, self._spelled, self._letters):
            box.pack_start(widget, False, False, style.DEFAULT_PADDING)
        self.set_canvas(box)
        box.show_all()
        self._show_word()

    def _build_toolbar(self):
        toolbar_box = ToolbarBox()
        toolbar_box.toolbar.insert(ActivityToolbarButton(self), 0)
        self._chooser = Gtk.ComboBoxText()
        for code, name in garden.LANGUAGES:
            self._chooser.append(code, name)
        self._chooser.set_active_id(self._language)
        self._chooser.connect('changed', self._language_cb)
        item = Gtk.ToolItem()
        item.add(self._chooser)
        toolbar_box.toolbar.insert(item, -1)
        other = ToolButton('view-refresh')
        other.set_tooltip(_('Another word'))
        other.connect('clicked', self._next_cb)
        toolbar_box.toolbar.insert(other, -1)
        separator = Gtk.SeparatorToolItem(draw=False)
        separator.set_expand(True)
        toolbar_box.toolbar.insert(separator, -1)
        toolbar_box.toolbar.insert(StopButton(self), -1)
        self.set_toolbar_box(toolbar_box)
        toolbar_box.show_all()

    def _show_word(self):
        show_large(self._hint, self._garden.hint)
        self._show_spelled()
        for tile in self._letters.get_children():
            tile.destroy()
        for letter in self._garden.letters:
            tile = Gtk.Button(label=letter)
            show_large(tile.get_child(), letter)
            tile.set_size_request(-1, style.GRID_CELL_SIZE)
            tile.connect('clicked', self._pick_cb, letter)
            self._letters.pack_start(tile, True, True, 0)
        self._letters.show_all()
        self._bed.queue_draw()

    def _show_spelled(self):
        missing = len(self._garden.word) - self._garden.leaves
        show_large(self._spelled, self._garden.spelled + ' _' * missing)

    def _pick_cb(self, tile, letter):
        if not self._garden.pick(letter):
            return
        tile.set_sensitive(False)
        self._show_spelled()
        if self._garden.bloomed:
            again = Gtk.Button(label=_('A flower! Plant another word.'))
            again.connect('clicked', self._next_cb)
            for old in self._letters.get_children():
                self._letters.remove(old)
            self._letters.pack_start(again, True, True, 0)
            self._letters.show_all()
        self._bed.queue_draw()

    def _next_cb(self, button):
        self._garden.next_word()
        self._show_word()

    def _language_cb(self, chooser):
        self._language = chooser.get_active_id()
        self._garden.change_words(
            garden.read_words(self._folder, self._language))
        self._show_word()

    def _draw_cb(self, widget, context):
        draw_garden(context, widget.get_allocated_width(),
                    widget.get_allocated_height(), self._garden)
        return True

    def read_file(self, file_path):
        try:
            with open(file_path, encoding='utf-8') as saved:
                flowers = json.load(saved)['flowers']
                flowers = [str(word)[:garden.LONGEST_WORD]
                           for word in flowers[-garden.MOST_PLANTS:]]
        except (ValueError, KeyError, TypeError):
            # Not a garden of ours: bare soil is a good place to begin.
            return
        self._garden.flowers = flowers
        self._bed.queue_draw()

    def write_file(self, file_path):
        with open(file_path, 'w', encoding='utf-8') as saved:
            json.dump({'flowers': self._garden.flowers}, saved)
