# SPDX-License-Identifier: Apache-2.0
"""Turtle Post: send a word as a walk."""

import math
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

import walk

TICK = 90  # milliseconds for a step
LONGEST_WORD = 24


def draw_walk(context, width, height, steps, done):
    """Draw the first steps of a walk on squared paper, and the turtle."""
    context.set_source_rgb(0.99, 0.98, 0.93)
    context.paint()
    points = [(0, 0)] + [step[1] for step in steps]
    left, right = min(p[0] for p in points), max(p[0] for p in points)
    low, high = min(p[1] for p in points), max(p[1] for p in points)
    unit = max(4, min(width / (right - left + 4), height / (high - low + 4),
                      60))
    origin = ((width - unit * (right - left)) / 2 - left * unit,
              (height + unit * (high - low)) / 2 + low * unit)

    context.set_source_rgb(0.84, 0.89, 0.93)
    context.set_line_width(1)
    for i in range(int(width / unit) + 1):
        context.move_to(origin[0] % unit + i * unit, 0)
        context.rel_line_to(0, height)
    for i in range(int(height / unit) + 1):
        context.move_to(0, origin[1] % unit + i * unit)
        context.rel_line_to(width, 0)
    context.stroke()

    def place(point):
        return origin[0] + point[0] * unit, origin[1] - point[1] * unit

    context.set_source_rgb(0.15, 0.4, 0.3)
    context.set_line_width(unit / 4)
    context.set_line_cap(1)
    for start, end, drawn in steps[:done]:
        if drawn:
            context.move_to(*place(start))
            context.line_to(*place(end))
    context.stroke()

    x, y = place(points[min(done, len(points) - 1)])
    if steps:
        start, end = steps[max(0, min(done, len(steps)) - 1)][:2]
        heading = math.atan2(start[1] - end[1], end[0] - start[0])
    else:
        heading = 0
    draw_turtle(context, x, y, unit * 0.45, heading)


def draw_turtle(context, x, y, size, heading):
    context.save()
    context.translate(x, y)
    context.rotate(heading)
    context.set_source_rgb(0.45, 0.65, 0.3)
    for across, up, radius in ((1.1, 0, 0.4), (0.6, 0.8, 0.3),
                               (0.6, -0.8, 0.3), (-0.6, 0.8, 0.3),
                               (-0.6, -0.8, 0.3)):
        context.arc(across * size, up * size, radius * size, 0, 2 * math.pi)
        context.fill()
    context.set_source_rgb(0.75, 0.55, 0.25)
    context.arc(0, 0, size * 0.85, 0, 2 * math.pi)
    context.fill()
    context.restore()


class TurtlePost(activity.Activity):

    def __init__(self, handle):
        activity.Activity.__init__(self, handle)
        self.max_participants = 1
        self._steps = []
        self._done = 0
        self._tick = None

        toolbar_box = ToolbarBox()
        toolbar_box.toolbar.insert(ActivityToolbarButton(self), 0)
        separator = Gtk.SeparatorToolItem(draw=False)
        separator.set_expand(True)
        toolbar_box.toolbar.insert(separator, -1)
        toolbar_box.toolbar.insert(StopButton(self), -1)
        self.set_toolbar_box(toolbar_box)
        toolbar_box.show_all()

        self._paper = Gtk.DrawingArea()
        self._paper.connect('draw', self._draw_cb)
        self._message = Gtk.Label(
            label=_('Write a word, or give the turtle a walk.'))

        self._word = Gtk.Entry(max_length=LONGEST_WORD)
        self._word.connect('activate', self._write_cb)
        self._walk = Gtk.Entry()
        self._walk.connect('activate', self._follow_cb)

        grid = Gtk.Grid(row_spacing=style.DEFAULT_SPACING,
                        column_spacing=style.DEFAULT_SPACING,
                        border_width=style.DEFAULT_SPACING)
        for row, (entry, label, callback) in enumerate((
                (self._word, _('Make a walk'), self._write_cb),
                (self._walk, _('Walk it'), self._follow_cb))):
            entry.set_hexpand(True)
            button = Gtk.Button(label=label)
            button.connect('clicked', callback)
            grid.attach(entry, 0, row, 1, 1)
            grid.attach(button, 1, row, 1, 1)

        keys = Gtk.Box(homogeneous=True)
        for sign in list(walk.ARROWS) + [walk.TAIL]:
            key = Gtk.Button(label=sign)
            key.connect('clicked', self._key_cb)
            keys.pack_start(key, True, True, 0)
        grid.attach(keys, 0, 2, 2, 1)

        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
        box.pack_start(self._paper, True, True, 0)
        box.pack_start(self._message, False, False, style.DEFAULT_PADDING)
        box.pack_start(grid, False, False, 0)
        self.set_canvas(box)
        box.show_all()
        self.connect('destroy', lambda window: self._stop())

    def _write_cb(self, widget):
        try:
            self._walk.set_text(walk.write(self._word.get_text()))
        except walk.WalkError as error:
            self._message.set_text(
                _('The turtle cannot write %s yet.') % error.sign)
            return
        self._message.set_text(_('Here is the walk. Keep the word a secret!'))

    def _follow_cb(self, widget):
        self._stop()
        try:
            self._steps = walk.follow(self._walk.get_text())
        except walk.WalkError as error:
            self._message.set_text(
                _('The turtle does not know the sign %s.') % error.sign)
            return
        self._message.set_text('')
        self._done = 0
        self._tick = GLib.timeout_add(TICK, self._tick_cb)

    def _key_cb(self, key):
        end = self._walk.get_text_length()
        self._walk.insert_text(key.get_label(), end)

    def _tick_cb(self):
        self._paper.queue_draw()
        if self._done < len(self._steps):
            self._done += 1
            return True
        self._tick = None
        return False

    def _stop(self):
        if self._tick is not None:
            GLib.source_remove(self._tick)
            self._tick = None

    def _draw_cb(self, widget, context):
        draw_walk(context, widget.get_allocated_width(),
                  widget.get_allocated_height(), self._steps, self._done)
        return True

    def read_file(self, file_path):
        # The Journal keeps the walk and never the word: the entry can be sent.
        try:
            with open(file_path, encoding='utf-8') as saved:
                self._walk.set_text(saved.read(walk.MOST_STEPS * 2).strip())
        except UnicodeDecodeError:
            self._message.set_text(_('There is no walk in this letter.'))
            return
        self._follow_cb(self._walk)

    def write_file(self, file_path):
        self.metadata['mime_type'] = 'text/plain'
        with open(file_path, 'w', encoding='utf-8') as saved:
            saved.write(self._walk.get_text() + '\n')
