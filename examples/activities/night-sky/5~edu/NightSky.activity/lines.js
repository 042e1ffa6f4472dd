// SPDX-License-Identifier: Apache-2.0
"use strict";

// Lines are the lines a child has drawn between the stars of one sky, each kept as "3-5" with the
// smaller star first.
function Lines(sky, kept) {
    var count = sky.stars.length;
    this.sky = sky;
    this.drawn = {};
    (Array.isArray(kept) ? kept : []).forEach(function (key) {
        var ends = String(key).split("-").map(Number);
        if (ends.length === 2 && ends[0] >= 0 && ends[0] < ends[1] && ends[1] < count &&
            ends[0] % 1 === 0 && ends[1] % 1 === 0) {
            this.drawn[ends.join("-")] = true;
        }
    }, this);
}

// toggle draws the line between two stars, or takes it away.
Lines.prototype.toggle = function (a, b) {
    var key = Math.min(a, b) + "-" + Math.max(a, b);
    if (this.drawn[key]) {
        delete this.drawn[key];
    } else {
        this.drawn[key] = true;
    }
};

Lines.prototype.keys = function () {
    return Object.keys(this.drawn).sort();
};

// found reports whether exactly the lines of the constellation are drawn.
Lines.prototype.found = function () {
    var wanted = this.sky.lines.map(function (line) {
        return Math.min(line[0], line[1]) + "-" + Math.max(line[0], line[1]);
    }).sort();
    return wanted.length > 0 && wanted.join() === this.keys().join();
};
