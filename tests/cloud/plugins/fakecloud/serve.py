# SPDX-License-Identifier: Apache-2.0
"""Serve one OpenStack API with waitress: one process, a pool of threads.

    python -m fakecloud.serve nova.wsgi.osapi_compute 127.0.0.1 8774 [ARG...]

ARG... becomes sys.argv for the application, because some services read
``--config-file`` from there and others only from the environment. One line goes to
stderr for every request, so that each API has an access log.
"""

import importlib
import sys
import time


def access_log(application, stream):
    """Wrap a WSGI application: write method, path, status, milliseconds."""

    def logged(environ, start_response):
        began = time.monotonic()

        def start(status, headers, exc_info=None):
            path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
            query = environ.get("QUERY_STRING")
            stream.write(
                f'{time.strftime("%H:%M:%S")} "{environ["REQUEST_METHOD"]} {path}'
                f'{"?" + query if query else ""}" {status.split(" ", 1)[0]}'
                f" {(time.monotonic() - began) * 1000:.0f}ms\n"
            )
            stream.flush()
            return start_response(status, headers, exc_info)

        return application(environ, start)

    return logged


def main():
    """Serve until stopped."""
    module, host, port = sys.argv[1:4]
    sys.argv = [module, *sys.argv[4:]]
    # The application comes first: Nova decides here, before anything else is
    # imported, whether it runs on native threads or on eventlet.
    application = importlib.import_module(module).application
    import waitress

    waitress.serve(
        access_log(application, sys.stderr),
        host=host,
        port=int(port),
        threads=8,
        ident=None,
        channel_timeout=120,
    )


if __name__ == "__main__":
    main()
