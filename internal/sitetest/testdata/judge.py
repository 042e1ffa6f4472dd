"""Judges documents by parsers that are not ours.

Reads a JSON array of {"name", "kind": "html" | "xml", "text"} and writes one of {"name", "problem"}:
whatever html5lib calls a parse error, which its strict mode raises, and whatever expat, the parser
of most feed readers, refuses.
"""

import json
import sys
import xml.parsers.expat

import html5lib
from html5lib.constants import E


def html(text):
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    parser.parse(text)
    for (line, column), code, variables in parser.errors:
        yield "line %d, column %d: %s" % (line, column, E.get(code, code) % variables)


def xml_(text):
    parser = xml.parsers.expat.ParserCreate("utf-8")
    try:
        parser.Parse(text.encode("utf-8"), True)
    except xml.parsers.expat.ExpatError as error:
        yield str(error)


problems = []
for document in json.load(sys.stdin):
    judge = html if document["kind"] == "html" else xml_
    for problem in judge(document["text"]):
        problems.append({"name": document["name"], "problem": problem})
json.dump(problems, sys.stdout)
