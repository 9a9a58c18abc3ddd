"""What gunicorn serves: `gunicorn -c config/gunicorn.py wsgi:app`."""

import os

from app import create_app
from app.services import begin

app = create_app()

if "FLASK_RUN_FROM_CLI" not in os.environ:  # a command of `flask` is over before there is anything to tidy
    begin(app)
