"""What gunicorn serves: `gunicorn -c config/gunicorn.py wsgi:app`."""

import gc
import os
import sys

gc.disable()  # what is imported stays: searching it for garbage again and again took a third of a start's time

from app import cli, create_app  # noqa: E402
from app.services import begin  # noqa: E402
from config.settings import SettingsError  # noqa: E402

try:
    app = create_app()
    cli.install(app)
except SettingsError as error:
    sys.exit(str(error))  # a user of a `flask` command needs no traceback

if "FLASK_RUN_FROM_CLI" not in os.environ:  # a command is over before housekeeping would start
    begin(app)

gc.enable()
