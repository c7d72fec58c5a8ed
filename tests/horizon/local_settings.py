# SPDX-License-Identifier: Apache-2.0
"""Horizon's settings for the test cloud, whose Keystone and folder the environment names.

``tools/cloud install horizon`` puts this file where Horizon looks for its local settings.
"""

import os
import pathlib

DEBUG = False
COMPRESS_OFFLINE = True
ALLOWED_HOSTS = ["127.0.0.1"]
SECRET_KEY = "for-tests-only"
OPENSTACK_KEYSTONE_URL = os.environ.get("HORIZON_KEYSTONE_URL", "http://127.0.0.1/v3")
TIME_ZONE = "UTC"
EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
# A session holds a token, which is too large for a cookie.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
STATIC_ROOT = str(pathlib.Path(__file__).resolve().parents[2] / "horizon-static")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
