# SPDX-License-Identifier: Apache-2.0
"""Star Counter: touch the stars, count them, press the number."""

import json
import math
from gettext import gettext as _

import gi
gi.require_version('Gtk', '3.0')
from gi.repository import Gdk
from gi.repository import GLib
from gi.repository import Gtk

from sugar3.activity import activity
from sugar3.activity.widgets import ActivityToolbarButton
from sugar3.activity.widgets import StopButton
from sugar3.graphics import style
from sugar3.graphics.toolbarbox import ToolbarBox
from sugar3.graphics.toolbutton import ToolButton

import sky

COLOURS = {sky.GOLD: (1.0, 0.85, 0.3), sky.BLUE: (0.45, 0.75, 1.0)}


def draw_night(context, width, height, night):
    """Draw a sky.Sky on a cairo context of the given size."""
    context.set_source_rgb(0.05, 0.07, 0.2)
    context.paint()
    across, down = width / sky.COLUMNS, height / sky.ROWS
    radius = min(across, down) * 0.36
    context.select_font_face('Sans')
    context.set_font_size(radius * 0.7)
    for x, y, colour in night.stars:
        centre = ((x + 0.5) * across, (y + 0.5) * down)
        counted = (x, y) in night.counted
        if counted:
            context.set_source_rgba(1, 1, 1, 0.2)
            context.arc(centre[0], centre[1], radius * 1.25, 0, 2 * math.pi)
            context.fill()
        context.set_source_rgb(*COLOURS[colour])
        draw_star(context, centre, radius)
        if counted:
            label = str(night.counted.index((x, y)) + 1)
            size = context.text_extents(label)
            context.move_to(centre[0] - size[2] / 2 - size[0],
                            centre[1] - size[3] / 2 - size[1])
            context.set_source_rgb(0.05, 0.07, 0.2)
            context.show_text(label)


def draw_star(context, centre, radius):
    context.new_path()
    for corner in range(10):
        reach = radius * 0.45 if corner % 2 else radius
        angle = math.pi * (corner / 5 - 0.5)
        context.line_to(centre[0] + reach * math.cos(angle),
                        centre[1] + reach * math.sin(angle))
    context.close_path()
    context.fill()


def show_large(label, text):
    label.set_markup('<span size="xx-large">%s</span>' %
                     GLib.markup_escape_text(text))


class StarCounter(activity.Activity):

    def __init__(self, handle):
        activity.Activity.__init__(self, handle)
        self.max_participants = 1
        self._sky = sky.Sky()
        self._build_toolbar()

        self._night = Gtk.DrawingArea()
        self._night.add_events(Gdk.EventMask.BUTTON_PRESS_MASK)
        self._night.connect('draw', self._draw_cb)
        self._night.connect('button-press-event', self._touch_cb)

        self._message = Gtk.Label()
        row = Gtk.Box(spacing=style.DEFAULT_SPACING, homogeneous=True,
                      border_width=style.DEFAULT_SPACING)
        self._buttons = []
        for unused in range(4):
            button = Gtk.Button()
            button.connect('clicked', self._answer_cb)
            button.set_size_request(-1, style.GRID_CELL_SIZE)
            row.pack_start(button, True, True, 0)
            self._buttons.append(button)

        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
        box.pack_start(self._night, True, True, 0)
        box.pack_start(self._message, False, False, style.DEFAULT_PADDING)
        box.pack_start(row, False, False, 0)
        self.set_canvas(box)
        box.show_all()
        self._show_night(_('How many stars are there together?'))

    def _build_toolbar(self):
        toolbar_box = ToolbarBox()
        activity_button = ActivityToolbarButton(self)
        toolbar_box.toolbar.insert(activity_button, 0)

        other = ToolButton('view-refresh')
        other.set_tooltip(_('Another night'))
        other.connect('clicked', self._another_cb)
        toolbar_box.toolbar.insert(other, -1)

        separator = Gtk.SeparatorToolItem(draw=False)
        separator.set_expand(True)
        toolbar_box.toolbar.insert(separator, -1)
        toolbar_box.toolbar.insert(StopButton(self), -1)
        self.set_toolbar_box(toolbar_box)
        toolbar_box.show_all()

    def _show_night(self, message):
        show_large(self._message, message)
        for button, number in zip(self._buttons, self._sky.answers):
            button.set_label(str(number))
            show_large(button.get_child(), str(number))
            button.set_sensitive(True)
        self._night.queue_draw()

    def _another_cb(self, button):
        self._sky.new_night()
        self._show_night(_('How many stars are there together?'))

    def _answer_cb(self, button):
        if self._sky.answer(int(button.get_label())):
            self._show_night(_('Yes! Here is another night.'))
        else:
            button.set_sensitive(False)
            show_large(self._message,
                       _('Touch the stars to count them again.'))

    def _draw_cb(self, widget, context):
        draw_night(context, widget.get_allocated_width(),
                   widget.get_allocated_height(), self._sky)
        return True

    def _touch_cb(self, widget, event):
        self._sky.touch(
            int(event.x * sky.COLUMNS / widget.get_allocated_width()),
            int(event.y * sky.ROWS / widget.get_allocated_height()))
        widget.queue_draw()
        return True

    def read_file(self, file_path):
        try:
            with open(file_path) as saved:
                level = int(json.load(saved)['level'])
        except (ValueError, KeyError, TypeError):
            # Not a sky of ours: the first one is a good place to begin.
            return
        self._sky.resume(level)
        self._show_night(_('How many stars are there together?'))

    def write_file(self, file_path):
        with open(file_path, 'w') as saved:
            json.dump({'level': self._sky.level}, saved)
