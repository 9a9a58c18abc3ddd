"""What gunicorn serves: `gunicorn -c config/gunicorn.py wsgi:app`."""

import os
import sys

from app import cli, create_app
from app.services import begin
from config.settings import SettingsError

try:
    app = create_app()
    cli.install(app)
except SettingsError as error:
    sys.exit(str(error))  # a user of a `flask` command needs no traceback

if "FLASK_RUN_FROM_CLI" not in os.environ:  # a command is over before housekeeping would start
    begin(app)
