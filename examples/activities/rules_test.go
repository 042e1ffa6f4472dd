package activities

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sugarlabs/beamrider/internal/require"
)

// unpack writes the samples to a folder of the test, so that no interpreter leaves its caches
// beside the sources.
func unpack(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, FS()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// run lets a program read a script from its standard input and expects it to end well.
func run(t *testing.T, dir, script, program string, args ...string) {
	t.Helper()
	command := exec.Command(program, args...)
	command.Dir = dir
	command.Stdin = bytes.NewReader([]byte(script))
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", program, err, out)
	}
}

// TestPythonRules plays the Python activities by their rules, which need no screen.
func TestPythonRules(t *testing.T) {
	python := require.Tool(t, "python3")
	for _, tc := range []struct{ name, dir, script string }{
		{"a sky can be counted", "star-counter/2/StarCounter.activity", `
import random, sky
for seed in range(200):
    night = sky.Sky(random.Random(seed))
    for turn in range(40):
        assert len(night.stars) == len(set(star[:2] for star in night.stars)) > 0
        assert len(night.stars) in night.answers and len(set(night.answers)) == 4
        assert not night.answer(len(night.stars) + 1) and night.streak == 0
        for right in range(sky.STREAK):
            assert night.answer(len(night.stars))
    assert night.level == sky.LAST_LEVEL
    x, y, colour = night.stars[0]
    night.touch(x, y)
    assert night.counted == [(x, y)]
    night.touch(x, y)
    night.touch(-1, 99)
    assert night.counted == []
`},
		{"a fleet survives the Journal", "paper-boats/1.10/PaperBoats.activity", `
import json, pond
water = pond.Pond()
for i in range(pond.MOST_BOATS + 3):
    sheet = pond.Sheet()
    sheet.press(2, 2)
    sheet.drag(0.5, 0.5)
    assert sheet.lines == []
    sheet.press(0.1, 0.2)
    for step in range(pond.MOST_POINTS * 2):
        sheet.drag(step, 0.3)
    assert sum(len(line) for line in sheet.lines) == pond.MOST_POINTS
    water.launch(sheet)
assert len(water.boats) == pond.MOST_BOATS
water.sail(1000)
assert all(boat.x == 1.0 for boat in water.boats)
water.turn_wind()
water.sail(2)
assert all(boat.x < 1.0 for boat in water.boats)
saved = json.loads(json.dumps(water.dump()))
again = pond.Pond()
again.load(saved)
assert json.loads(json.dumps(again.dump())) == saved
for bad in ([], {}, {'wind': 1, 'boats': [{}]}, {'wind': 1, 'boats': 3},
            {'wind': 1, 'boats': [{'x': 7, 'lane': 0, 'lines': []}]},
            {'wind': 1, 'boats': [{'x': float('nan'), 'lane': 0, 'lines': []}]}):
    try:
        again.load(bad)
    except ValueError:
        continue
    raise AssertionError(bad)
assert len(again.boats) == pond.MOST_BOATS
`},
		{"every letter can be walked and read", "turtle-post/1/TurtlePost.activity", `
import walk
def drawn(text):
    return {frozenset(step[:2]) for step in walk.follow(text) if step[2]}
def expected(letter, place):
    lines = set()
    for stroke in walk.LETTERS[letter].split('|'):
        points = [(int(p[0]) + place * walk.WIDTH, int(p[1])) for p in stroke.split()]
        for (x, y), end in zip(points, points[1:]):
            assert x == end[0] or y == end[1] or abs(x - end[0]) == abs(y - end[1]), letter
            while (x, y) != end:
                there = (x + (end[0] > x) - (end[0] < x), y + (end[1] > y) - (end[1] < y))
                lines.add(frozenset(((x, y), there)))
                x, y = there
    return lines
alphabet = ''.join(walk.LETTERS)
assert len(set(str(sorted(map(sorted, expected(l, 0)))) for l in alphabet)) == len(alphabet)
for letter in alphabet:
    assert drawn(walk.write(letter)) == expected(letter, 0), letter
assert drawn(walk.write(alphabet)) == set().union(*(expected(l, i) for i, l in enumerate(alphabet)))
assert walk.write('Ñandú') == walk.write('NANDU')
assert walk.write('') == '' and walk.follow(' \n') == []
for bad in ('x', '3', '3.', '100\u2191', '99\u2191' * 99, '\u0663\u2191'):
    try:
        walk.follow(bad)
    except walk.WalkError:
        continue
    raise AssertionError(bad)
`},
		{"every word can be spelled", "word-garden/3-peru/WordGarden.activity", `
import random, garden
for code, name in garden.LANGUAGES:
    words = garden.read_words('words', code)
    assert len(words) > 8 and len(set(word for word, hint in words)) == len(words), code
    assert all(hint for word, hint in words), code
    bed = garden.Garden(words, random.Random(code))
    seen = set()
    for word in words:
        seen.add(bed.word)
        assert sorted(bed.letters) == sorted(bed.word)
        assert not bed.pick('#')
        for letter in bed.word:
            assert not bed.bloomed and bed.pick(letter)
        assert bed.bloomed and bed.spelled == bed.word and not bed.pick(bed.word[0])
        assert bed.flowers[-1] == bed.word and len(bed.flowers) <= garden.MOST_PLANTS
        bed.next_word()
    assert seen == set(word for word, hint in words), code
try:
    bed.change_words([])
except ValueError:
    pass
else:
    raise AssertionError('a garden without words')
`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := filepath.Join(unpack(t), filepath.FromSlash(tc.dir))
			run(t, dir, "import sys\nsys.path.insert(0, '.')\n"+tc.script, python, "-X", "utf8", "-")
		})
	}
}

// TestWebRules plays the web activities by their rules, and lets the interpreter read every
// script of theirs.
func TestWebRules(t *testing.T) {
	node := require.Tool(t, "node")
	dir := unpack(t)
	scripts, err := fs.Glob(FS(), "*/*/*/*.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		run(t, dir, "", node, "--check", script)
	}
	run(t, dir, `
const assert = require("assert"), fs = require("fs"), vm = require("vm");
function load(folder, files, names) {
    const source = files.map(file => fs.readFileSync(folder + file, "utf8")).join("\n");
    return vm.runInThisContext("(function () {" + source + "; return {" + names + "}; })")();
}
const {SKIES, WORDS, Lines} = load("night-sky/5~edu/NightSky.activity/", ["constellations.js", "lines.js"], "SKIES, WORDS, Lines");
for (const sky of SKIES) {
    for (const language of Object.keys(WORDS)) assert(sky[language].length === 2, sky.id);
    const lines = new Lines(sky, null);
    for (const [a, b] of sky.lines) {
        assert(sky.stars[a] && sky.stars[b], sky.id);
        assert(!lines.found());
        lines.toggle(b, a);
    }
    assert.strictEqual(lines.found(), sky.lines.length > 0, sky.id);
    assert.deepStrictEqual(new Lines(sky, lines.keys()).keys(), lines.keys());
    lines.toggle(0, 2);
    assert(!lines.found(), sky.id);
    assert.deepStrictEqual(new Lines(sky, ["0-1", "1-0", "1-99", "a-b", "0-0.5", 7, null]).keys(), ["0-1"]);
}
const {Rhythm} = load("echo-drum/2/EchoDrum.activity/", ["rhythm.js"], "Rhythm");
let turn = 0;
const rhythm = new Rhythm(() => (turn++ % 4) / 4);
for (let length = 1; length <= Rhythm.LONGEST + 5; length++) {
    rhythm.grow();
    const beats = rhythm.beats.slice();
    assert.strictEqual(beats.length, Math.min(length, Rhythm.LONGEST));
    assert.strictEqual(rhythm.echo((beats[0] + 1) % Rhythm.DRUMS), "wrong");
    beats.forEach((beat, i) => assert.strictEqual(rhythm.echo(beat), i + 1 === beats.length ? "whole" : "right"));
}
const {words} = load("echo-drum/2/EchoDrum.activity/", ["words.js"], "words");
for (const language of ["es-PE", "fr", "ja", "xx", ""]) {
    assert.deepStrictEqual(Object.keys(words(language)), Object.keys(words("en")), language);
}
`, node, "-")
}

// TestSugarReads gives every bundle to Sugar's own reader. Debian's python3 is asked for by its
// path: Sugar is a package of the system, which another python3 in PATH does not see.
func TestSugarReads(t *testing.T) {
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import sugar3.bundle.activitybundle").Run(); err != nil {
		require.Skip(t, "Sugar's toolkit for Python 3 (python3-sugar3) is not installed")
		return
	}
	run(t, unpack(t), `
import glob, os, sys
from sugar3.bundle.activitybundle import ActivityBundle
from sugar3.bundle.bundleversion import NormalizedVersion
paths = glob.glob('*/*/*.activity')
assert paths
for path in paths:
    english = ActivityBundle(os.path.abspath(path), translated=False)
    assert english.get_activity_version() == path.split('/')[1], path
    NormalizedVersion(english.get_activity_version())
    assert os.path.isfile(english.get_icon()), path
    assert english.get_summary() and english.get_tags() != [''], path
    names = set()
    for language in os.listdir(os.path.join(path, 'locale')):
        os.environ['LANGUAGE'] = language
        names.add(ActivityBundle(os.path.abspath(path)).get_name())
    assert len(names) == len(os.listdir(os.path.join(path, 'locale'))), (path, names)
    assert english.get_name() not in names, path
`, python, "-X", "utf8", "-B", "-")
}
