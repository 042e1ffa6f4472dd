"""Runs Sugar's own update code against a server and writes what happened as JSON.

The one thing changed in Sugar is the address it asks, which is a constant there. Called with a
JSON object of arguments on standard input; see home.go for them.
"""

import json
import sys

import gi
gi.require_version('Gtk', '3.0')
gi.require_version('Soup', '2.4')

from gi.repository import GLib  # noqa: E402

from jarabe import config  # noqa: E402
from jarabe.util import downloader, httprange  # noqa: E402


def finish(args, result):
    with open(args['result'], 'w', encoding='utf-8') as f:
        json.dump(result, f)


def run(args, start):
    """Runs the main loop until start's callback says it is done, or a deadline passes."""
    loop = GLib.MainLoop()
    result = {'error': 'the client did not finish in time'}

    def done(r):
        result.clear()
        result.update(r)
        loop.quit()

    def begin():
        try:
            start(done)
        except Exception as e:  # shown to whoever asked
            done({'error': repr(e)})
        return False

    GLib.idle_add(begin)
    GLib.timeout_add_seconds(args['seconds'], loop.quit)
    loop.run()
    finish(args, result)


def update(args):
    """Looks for updates of everything that is installed, takes them all and installs them."""
    from jarabe.model import bundleregistry
    from jarabe.model.update import aslo, updater

    aslo._UPDATE_PATH = args['server'] + '/services/update-aslo.php'
    model = updater.Updater()
    result = {'offers': [], 'updated': [], 'failed': [], 'error': ''}

    def start(done):
        def available(_, updates):
            for u in updates:
                result['offers'].append({'id': u.bundle_id, 'version': str(u.version),
                                         'link': u.link, 'size': u.size})
            model.update([u.bundle_id for u in updates])

        def finished(_, updated, failed, cancelled):
            result['updated'] = [b.get_bundle_id() for b in updated]
            result['failed'] = [getattr(b, 'bundle_id', None) or b.get_bundle_id() for b in failed]
            result['cancelled'] = cancelled
            result['registry'] = {b.get_bundle_id(): b.get_activity_version()
                                  for b in bundleregistry.get_registry()}
            done(result)

        model.connect('updates-available', available)
        model.connect('error', lambda _, e: done({'error': str(e)}))
        model.connect('finished', finished)
        model.check_updates(False)

    run(args, start)


def group(args):
    """Reads an update group with the parser of Sugar's other updater.

    In Sugar 0.120 that updater itself hands bytes to its HTML parser, which Python 3 refuses; so
    the page is fetched with Sugar's downloader and decoded here, and the parser does the rest.
    """
    from jarabe.model.update import microformat

    def start(done):
        parser = microformat._UpdateHTMLParser(args['url'])
        d = downloader.Downloader(args['url'], request_headers={'Cache-Control': 'max-age=600'})

        def complete(_, result):
            if isinstance(result, Exception):
                done({'error': str(result)})
                return
            parser.feed(result.get_data().decode('utf-8'))
            parser.close()
            done({'error': '', 'name': parser.group_name, 'desc': parser.group_desc,
                  'offers': [{'id': i, 'version': str(v), 'link': link, 'optional': optional}
                             for i, (v, link, optional) in sorted(parser.results.items())]})

        d.connect('complete', complete)
        d.download()

    run(args, start)


def peek(args):
    """Reads one entry of a remote bundle through Sugar's range reader, as it does for names.

    The reader is as old as Python 2 and does not say that it can seek, which zipfile asks today.
    """
    from zipfile import ZipFile

    result = {'error': ''}
    try:
        fd = httprange.open(args['url'])
        fd.seekable = lambda: True
        result['size'] = fd.size()
        archive = ZipFile(fd)
        result['names'] = archive.namelist()
        result['entry'] = archive.read(args['entry']).decode('utf-8')
    except Exception as e:  # shown to whoever asked
        result['error'] = repr(e)
    finish(args, result)


if __name__ == '__main__':
    arguments = json.load(sys.stdin)
    if arguments['sugar']:
        config.version = arguments['sugar']
    {'update': update, 'group': group, 'peek': peek}[arguments['mode']](arguments)
