"""A trained network as a web service: `python -m core serve RUN`. It needs the packages of `core/serving/requirements.txt`."""
