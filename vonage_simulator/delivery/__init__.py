"""How webhooks get to the application: signed, in what order, how often, with what going wrong on the way."""
