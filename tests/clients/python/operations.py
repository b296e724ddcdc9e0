"""The operations of the client matrix through the Python client; one line of JSON for each, {"op", "result"}."""

import importlib
import json
import os
import traceback
import warnings

from kubernetes.client.rest import ApiException

from connection import OPERATIONS

# In the order of the script.
for subject in ("objects", "patches", "lists", "watches", "lives", "claims", "access", "kinds", "namespaces"):
    importlib.import_module(subject)


def main():
    warnings.simplefilter("ignore")
    for operation in OPERATIONS:
        try:
            result = operation()
        except Exception as error:
            own = os.path.dirname(__file__)
            frames = [frame for frame in traceback.extract_tb(error.__traceback__) if os.path.dirname(frame.filename) == own]
            where = [f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in frames]
            said = error.body if isinstance(error, ApiException) else error
            result = {"error": f"{type(error).__name__}: {said} ({', '.join(where)})"}
        print(json.dumps({"op": operation.__name__.replace("_", "-"), "result": result}), flush=True)


main()
# The informers' threads may sit in a read.
os._exit(0)
