"""What gunicorn serves: `gunicorn -c config/gunicorn.py wsgi:app`; `flask` adds its commands."""

import gc
import os
import sys

gc.disable()  # what is imported stays: searching it for garbage again and again took a quarter of a start's time

from app import create_app  # noqa: E402
from app.services import begin  # noqa: E402
from config.settings import SettingsError  # noqa: E402

try:
    app = create_app()
except SettingsError as error:
    sys.exit(str(error))  # a user of a `flask` command needs no traceback

if "FLASK_RUN_FROM_CLI" in os.environ:
    from app import cli  # a worker has no use for the commands, and would start later

    cli.install(app)
else:  # a command is over before housekeeping would start
    begin(app)

gc.enable()
