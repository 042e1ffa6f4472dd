// SPDX-License-Identifier: MIT
"use strict";

// Rhythm is the game without sound or screen: beats are drums from 0 to 3. It stops growing at
// Rhythm.LONGEST, which is more than most grown-ups can echo.
function Rhythm(random) {
    this.random = random || Math.random;
    this.beats = [];
    this.next = 0;
}

Rhythm.DRUMS = 4;
Rhythm.LONGEST = 24;

// grow adds a beat and begins again.
Rhythm.prototype.grow = function () {
    if (this.beats.length < Rhythm.LONGEST) {
        this.beats.push(Math.floor(this.random() * Rhythm.DRUMS));
    }
    this.next = 0;
};

// echo says what a beat of the player's was: "wrong", "right", or "whole" for the last one.
Rhythm.prototype.echo = function (drum) {
    if (this.beats[this.next] !== drum) {
        this.next = 0;
        return "wrong";
    }
    this.next += 1;
    return this.next === this.beats.length ? "whole" : "right";
};
