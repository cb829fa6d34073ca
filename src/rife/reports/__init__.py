"""Reports: contact sheets, timelines, models, and the state of an installation."""
