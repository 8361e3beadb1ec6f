"""What stores tell of an object's content, in the words of the real file systems' ``info``."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gitreg.dvc import folder
from gitreg.dvc.checksums import reported_md5
from gitreg.dvc.digest import Meter

MD5 = hashlib.md5(b"weights")
HEX, BASE64 = MD5.hexdigest(), base64.b64encode(MD5.digest()).decode()


@pytest.mark.parametrize(
    ("protocol", "info", "told"),
    [
        ("s3", {"ETag": f'"{HEX}"'}, HEX),
        ("s3", {"ETag": HEX}, HEX),
        ("s3", {"ETag": f'"{HEX}-2"'}, None),
        ("s3", {"ETag": ""}, None),
        ("s3", {"ETag": None}, None),
        ("s3", {}, None),
        ("oss", {"ETag": f'"{HEX.upper()}"'}, HEX),
        ("gs", {"md5Hash": BASE64, "etag": "CJCq4Y2x"}, HEX),
        ("gs", {"etag": "CJCq4Y2x"}, None),  # a composed object
        ("gs", {"md5Hash": "no base64!"}, None),
        ("gs", {"md5Hash": base64.b64encode(b"short").decode()}, None),
        ("azure", {"content_settings": {"content_md5": bytearray(MD5.digest())}}, HEX),
        ("azure", {"content_settings": SimpleNamespace(content_md5=MD5.digest())}, HEX),
        ("azure", {"content_settings": {"content_md5": None}, "etag": HEX}, None),
        ("azure", {}, None),
        ("https", {"Content-MD5": BASE64}, HEX),
        ("https", {"ETag": f'"{HEX}"'}, None),  # whatever its server makes it of
        ("ssh", {"size": 7, "type": "file"}, None),
    ],
)
def test_what_is_told(protocol: str, info: dict[str, Any], told: str | None) -> None:
    assert reported_md5(info, protocol) == told


def test_a_source_that_turned_out_damaged_replaces_nothing(tmp_path: Path) -> None:
    for name, content in (("source", b"damaged"), ("target", b"weights")):
        (tmp_path / name).write_bytes(content)
    source, target = tmp_path / "source", tmp_path / "target"
    assert not folder.put(source, target, tmp_path, Meter(None), md5=HEX)
    assert target.read_bytes() == b"weights"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]
    source.write_bytes(b"weights")
    target.unlink()
    assert folder.put(source, target, tmp_path, Meter(None), md5=HEX)
    assert target.read_bytes() == b"weights"
