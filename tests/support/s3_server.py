"""An S3-compatible store for tests, which checks signatures and permissions.

The store is moto, in memory. Prints one line of JSON when it is ready: where it
is, and by which keys. It ends with its standard input. Beside the store it
answers, unsigned:

    GET  /_control/state             what is in the bucket, and what is under way
    POST /_control/age?seconds=N     makes everything in the bucket older
    POST /_control/refuse?part=TEXT  refuses requests whose method and address
                                     contain TEXT; nothing, without TEXT
"""

import datetime
import json
import os
import sys
import threading
import urllib.parse

# So many actions are not checked: those that set up who may do what.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "4"

import boto3  # noqa: E402
from moto.backends import get_backend  # noqa: E402
from moto.moto_server.werkzeug_app import (  # noqa: E402
    DomainDispatcherApplication,
    create_backend_app,
)
from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402

BUCKET = "kefu-media"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}


class Quiet(WSGIRequestHandler):
    """Logs requests on standard error, one line each."""

    protocol_version = "HTTP/1.1"

    def log(self, type, message, *args):
        sys.stderr.write(f"{message % args}\n")


class Store:
    """moto, and what tests may do to it."""

    def __init__(self):
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.refused = None

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        query = environ.get("QUERY_STRING", "")
        if path.startswith("/_control/"):
            answer = self.control(path.removeprefix("/_control/"), query)
            start_response("200 OK", [("content-type", "application/json")])
            return [json.dumps(answer).encode()]
        address = f"{environ['REQUEST_METHOD']} {path}?{query}"
        if self.refused and self.refused in address:
            # Reads the request, as the connection is used again.
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("400 Bad Request", [("content-length", "0")])
            return [b""]
        return self.moto(environ, start_response)

    def control(self, what, query):
        wanted = dict(urllib.parse.parse_qsl(query))
        bucket = get_backend("s3")["123456789012"]["aws"].buckets[BUCKET]
        if what == "age":
            back = datetime.timedelta(seconds=int(wanted["seconds"]))
            for key in bucket.keys.values():
                key.last_modified -= back
        if what == "refuse":
            self.refused = wanted.get("part")
        return {
            "objects": {name: key.size for name, key in bucket.keys.items()},
            "uploads": [upload.key_name for upload in bucket.multiparts.values()],
        }


def main():
    server = make_server(
        "127.0.0.1", 0, Store(), threaded=True, request_handler=Quiet
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    nobody = {
        "endpoint_url": endpoint,
        "region_name": "us-east-1",
        "aws_access_key_id": "nobody",
        "aws_secret_access_key": "nothing",
    }
    iam = boto3.client("iam", **nobody)
    iam.create_user(UserName="gateway")
    iam.put_user_policy(
        UserName="gateway", PolicyName="media", PolicyDocument=json.dumps(POLICY)
    )
    key = iam.create_access_key(UserName="gateway")["AccessKey"]
    # The last action that is not checked.
    boto3.client("s3", **nobody).create_bucket(Bucket=BUCKET)
    ready = {
        "event": "ready",
        "endpoint": endpoint,
        "bucket": BUCKET,
        "access_key": key["AccessKeyId"],
        "secret_key": key["SecretAccessKey"],
    }
    print(json.dumps(ready), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
