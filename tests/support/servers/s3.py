"""Moto's server: S3 with one bucket, in this process's memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

BUCKET = "team-models"
_KEY_ID, _SECRET = "AKIAGITREGTESTS", "s3-secret-of-the-tests"


@dataclass(frozen=True)
class S3Server:
    """A running server, and what its clients need to know."""

    endpoint: str
    _boto: Any

    def url(self, prefix: str) -> str:
        """Return the URL of a folder of the bucket."""
        return f"s3://{BUCKET}/{prefix}"

    def read(self, prefix: str) -> dict[str, bytes]:
        """Return all objects below a folder of the bucket, by their names in it."""
        pages = self._boto.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix=f"{prefix}/"
        )
        keys = [str(found["Key"]) for page in pages for found in page.get("Contents", [])]
        return {
            key.removeprefix(f"{prefix}/"): self._boto.get_object(Bucket=BUCKET, Key=key)[
                "Body"
            ].read()
            for key in keys
        }

    def write(self, key: str, content: bytes) -> None:
        """Put an object into the bucket."""
        self._boto.put_object(Bucket=BUCKET, Key=key, Body=content)

    @property
    def client(self) -> dict[str, str]:
        """The environment of a client: credentials, and no service that has others."""
        return {
            "AWS_ACCESS_KEY_ID": _KEY_ID,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",  # a server that is down is down
        }


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run a server."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()  # returns when it listens
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    boto = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=_KEY_ID,
        aws_secret_access_key=_SECRET,
    )
    try:
        boto.create_bucket(Bucket=BUCKET)
        yield S3Server(endpoint, boto)
    finally:
        boto.close()
        server.stop()
