"""What is written by hand on the night with an ORM: each lost row is read from the
backup by its key, and saved to production, all in one transaction. Reads
lines "table key", parents first; prints how many rows it saved, and in what time (s).

usage: orm.py BACKUP PRODUCTION   (libpq URLs)
"""
import io
import sys
import time
from urllib.parse import urlsplit

import django
from django.apps import AppConfig
from django.conf import settings


class Shop(AppConfig):  # only an application's models know of what they refer to
    name, label, path = "__main__", "shop", "."


def database(url):
    u = urlsplit(url)
    return {"ENGINE": "django.db.backends.postgresql", "NAME": u.path[1:], "USER": u.username, "HOST": u.hostname, "PORT": u.port}


settings.configure(DATABASES={"backup": database(sys.argv[1]), "default": database(sys.argv[2])}, INSTALLED_APPS=["__main__.Shop"],
                   DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", USE_TZ=True, LOGGING_CONFIG=None)
django.setup()

from django.core.management import call_command  # noqa: E402: after setup
from django.db import models, transaction  # noqa: E402

# The models are those that Django itself makes of the database.
source = io.StringIO()
call_command("inspectdb", database="backup", stdout=source)
made = {"__name__": "__main__"}
exec(source.getvalue(), made)
model = {m._meta.db_table: m for m in made.values() if isinstance(m, type) and issubclass(m, models.Model)}

lost = [line.split() for line in sys.stdin]
begun = time.perf_counter()  # as Django's documentation moves an object from one database to another
with transaction.atomic():
    for table, key in lost:
        model[table].objects.using("backup").get(pk=key).save(using="default")
print(len(lost), time.perf_counter() - begun)
