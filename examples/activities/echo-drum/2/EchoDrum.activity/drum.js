// SPDX-License-Identifier: MIT
"use strict";

(function () {
    var BEAT = 550, REST = 900; // milliseconds
    var PITCHES = [90, 140, 210, 330]; // hertz, when the skin is struck
    var say = words(navigator.language);
    var play = document.getElementById("play");
    var message = document.getElementById("message");
    var rhythm = null; // the game, when there is one
    var listening = false; // the drum is playing; the player listens
    var audio = null;

    // strike makes the sound of a skin: a tone that falls and fades, and a click of the stick.
    // A browser lets a page make sounds only after a touch, so the first strike opens the sound.
    function strike(drum) {
        var Context = window.AudioContext || window.webkitAudioContext;
        if (!Context) {
            return; // no sound here; the drums still light up
        }
        audio = audio || new Context();
        if (audio.resume) {
            audio.resume();
        }
        var now = audio.currentTime;
        [[PITCHES[drum], 0.8, 0.35], [PITCHES[drum] * 7, 0.15, 0.04]].forEach(function (part) {
            var tone = audio.createOscillator(), loudness = audio.createGain();
            tone.frequency.setValueAtTime(part[0], now);
            tone.frequency.exponentialRampToValueAtTime(part[0] * 0.5, now + part[2]);
            loudness.gain.setValueAtTime(part[1], now);
            loudness.gain.exponentialRampToValueAtTime(0.001, now + part[2]);
            tone.connect(loudness);
            loudness.connect(audio.destination);
            tone.start(now);
            tone.stop(now + part[2]);
        });
    }

    function hit(drum) {
        strike(drum);
        drums[drum].classList.add("hit");
        setTimeout(function () { drums[drum].classList.remove("hit"); }, BEAT / 2);
    }

    function perform() {
        listening = true;
        play.disabled = true;
        message.textContent = say.listen;
        rhythm.beats.forEach(function (drum, i) {
            setTimeout(hit, i * BEAT, drum);
        });
        setTimeout(function () {
            listening = false;
            play.disabled = false;
            message.textContent = say.echo;
        }, rhythm.beats.length * BEAT);
    }

    // performLater leaves time to read a sentence; the drums rest until the rhythm has been played.
    function performLater(sentence) {
        message.textContent = sentence;
        listening = true;
        play.disabled = true;
        setTimeout(perform, REST);
    }

    function touch(drum) {
        if (listening) {
            return;
        }
        hit(drum);
        if (!rhythm) {
            return;
        }
        var heard = rhythm.echo(drum);
        if (heard === "wrong") {
            performLater(say.wrong);
        } else if (heard === "whole") {
            rhythm.grow();
            performLater(say.right);
        }
    }

    var drums = PITCHES.map(function (pitch, i) {
        var drum = document.createElement("button");
        drum.type = "button";
        drum.className = "drum";
        drum.textContent = i + 1;
        drum.setAttribute("aria-label", say.drum + " " + (i + 1));
        drum.addEventListener("click", function () { touch(i); });
        document.getElementById("drums").appendChild(drum);
        return drum;
    });
    document.addEventListener("keydown", function (event) {
        var drum = "1234".indexOf(event.key);
        if (drum >= 0 && event.key.length === 1 && !event.repeat) {
            touch(drum);
        }
    });
    play.addEventListener("click", function () {
        rhythm = new Rhythm();
        rhythm.grow();
        perform();
    });
    document.title = say.title;
    play.textContent = say.play;
    message.textContent = say.free;
}());
