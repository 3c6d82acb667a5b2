"""What the tests of the official Python SDK share; DIVAN_CLUSTER is what `divan up --json` printed."""
import json
import os
import time
import traceback
import uuid

from couchbase.auth import PasswordAuthenticator
from couchbase.cluster import Cluster
from couchbase.exceptions import CouchbaseException
from couchbase.options import ClusterOptions, ClusterTimeoutOptions

PLACE = json.loads(os.environ["DIVAN_CLUSTER"])
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def expect(kind, call):
    try:
        value = call()
    except kind as error:
        return error
    except CouchbaseException as error:
        raise AssertionError(f"expected {kind.__name__}, got {type(error).__name__}: {error}") from error
    raise AssertionError(f"expected {kind.__name__}, got {value!r}")


def connect(password=None, username=None, **timeouts):
    return Cluster(PLACE["connection_string"], ClusterOptions(
        PasswordAuthenticator(username or PLACE["username"], password or PLACE["password"]),
        timeout_options=ClusterTimeoutOptions(**timeouts)))


def eventually(call, error=Exception, seconds=10):
    """What a cluster does in its own time: repeats call until it stops failing."""
    end = time.monotonic() + seconds
    while True:
        try:
            return call()
        except error:
            if time.monotonic() > end:
                raise
        time.sleep(0.05)


class Context:
    def __init__(self):
        self.cluster = connect()
        self.bucket = self.cluster.bucket(PLACE["bucket"])
        self.collection = self.bucket.default_collection()

    @staticmethod
    def key():
        return "py-" + uuid.uuid4().hex


def run():
    context, failed = Context(), 0
    for function in TESTS:
        try:
            function(context)
            print("ok  ", function.__name__, flush=True)
        except Exception:  # every kind of failure is one
            failed += 1
            print("FAIL", function.__name__, flush=True)
            traceback.print_exc()
    context.cluster.close()
    print(f"{len(TESTS) - failed} passed, {failed} failed")
    return 1 if failed else 0
