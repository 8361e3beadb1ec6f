"""The DVC project of a repository that is not the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg.dvc import DvcProject, digest
from gitreg.dvc.foreign import read_foreign_config
from gitreg.errors import DvcError
from tests.dvc.projects import ABSENT

# DVC 3.67 itself meets this one.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")


class TestForeign:
    """The project of a repository that is not the user's own."""

    @pytest.fixture
    def published(self, project: DvcProject, model: Path) -> digest.TreeDigest:
        tree = project.stage(model)
        project.push([tree.md5])
        return tree

    @pytest.mark.parametrize("url", ["../remote", "ABSOLUTE"])
    def test_its_artifacts_are_fetched(
        self, tmp_path: Path, published: digest.TreeDigest, url: str
    ) -> None:
        url = url.replace("ABSOLUTE", str(tmp_path / "remote"))
        config = f"[core]\n    remote = Storage\n[ 'remote \"storage\"' ]\n    url = {url}\n"
        folder = tmp_path / "ours" / "1"
        project = DvcProject.from_config(folder, config.encode(), tmp_path)
        assert project.remote_name() == "storage"
        assert project.fetch(published.md5) == set(project.objects(published.md5))
        assert project.verify_cached(published.sha256, published.md5) == []
        again = DvcProject.from_config(folder, config.encode(), tmp_path)
        assert again.missing(published.md5) == []

    def test_a_relative_remote_needs_the_tree(self, tmp_path: Path) -> None:
        config = b"[core]\nremote = s\n['remote \"s\"']\nurl = ../remote\n"
        with pytest.raises(DvcError, match=r"is the folder '../remote' beside the repository"):
            DvcProject.from_config(tmp_path, config, None)

    @pytest.mark.parametrize(
        "config", [b"", b"[core]\n", b"['remote \"s\"']\nurl = /x\n", b"core = 3\n"]
    )
    def test_without_a_default_remote(self, tmp_path: Path, config: bytes) -> None:
        project = DvcProject.from_config(tmp_path, config, None)
        assert project.remote_name() is None
        assert not project.available(ABSENT)

    def test_only_remotes_are_taken(self, tmp_path: Path) -> None:
        config = (
            f"[core]\nremote = s\nhardlink_lock = true\nsite_cache_dir = {tmp_path}/evil\n"
            f"[cache]\ndir = {tmp_path}/evil\n[hydra]\nenabled = true\nplugins_path = {tmp_path}\n"
            "['remote \"s\"']\nurl = /nowhere\n['remote \"t\"']\nurl = x\nkeyfile = /y\n"
        )
        project = DvcProject.from_config(tmp_path / "ours", config.encode(), None)
        assert project.cache_path(ABSENT).is_relative_to(tmp_path / "ours")
        found = read_foreign_config(config.encode(), None)
        assert set(found["remote"]) == {"s"}
        assert found["core"]["remote"] == "s"
        assert not {"hardlink_lock", "site_cache_dir"} & {
            key for key, value in found["core"].items() if value
        }

    def test_the_user_s_own_credentials_stay_away(
        self, tmp_path: Path, hermetic: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "global"))
        (tmp_path / "global").mkdir()
        (tmp_path / "global" / "config").write_text("['remote \"s\"']\npassword = hunter2\n")
        config = b"[core]\nremote = s\n['remote \"s\"']\nurl = http://evil.example/\n"
        project = DvcProject.from_config(tmp_path / "ours", config, None)
        assert "hunter2" not in str(project._config)

    @pytest.mark.parametrize(
        ("url", "option"),
        [
            ("webdav://h/x", "bearer_token_command = touch /tmp/x"),
            ("webdavs://h/x", "cert_path = /etc/passwd"),
            ("webdavs://h/x", "key_path = /etc/passwd"),
            ("ssh://h/x", "keyfile = ~/.ssh/id_ed25519"),
            ("ssh://h/x", "ask_password = true"),
            ("ssh://h/x", "ask_passphrase = true"),
            ("http://h/x", "ask_password = true"),
            ("http://h/x", "ssl_verify = /etc/passwd"),
            ("s3://b/x", "credentialpath = ~/.aws/credentials"),
            ("s3://b/x", "configpath = /x"),
            ("gs://b/x", "credentialpath = /x"),
            ("gs://b/x", "endpointurl = http://evil.example"),
            ("hdfs://h/x", "kerb_ticket = /tmp/krb5cc_0"),
            ("s3://b/x", "surprise = 1"),
        ],
    )
    def test_what_could_name_a_file_or_a_command_is_refused(
        self, tmp_path: Path, url: str, option: str
    ) -> None:
        config = f"[core]\nremote = s\n['remote \"s\"']\nurl = {url}\n{option}\n"
        with pytest.raises(DvcError, match=f"sets '{option.split(maxsplit=1)[0]}'") as error:
            DvcProject.from_config(tmp_path, config.encode(), None)
        assert "clone the repository" in str(error.value.hint)

    @pytest.mark.parametrize(
        ("url", "options"),
        [
            ("s3://b/x", "endpointurl = http://minio:9000\nssl_verify = False\nregion = eu"),
            ("ssh://h/x", "port = 22\nuser = ada\ngss_auth = true"),
            ("http://h/x", "auth = basic\nuser = ada\npassword = pw"),
            ("azure://c/x", "account_name = a"),
        ],
    )
    def test_the_usual_options_pass(self, url: str, options: str) -> None:
        config = f"[core]\nremote = s\n['remote \"s\"']\nurl = {url}\n{options}\n"
        found = read_foreign_config(config.encode(), None)
        assert found["remote"]["s"]["url"] == url

    @pytest.mark.parametrize(
        "url", ["gdrive://x/y", "file:///x", "simplecache::s3://x", "ext::sh", "dvc://x", "git://x"]
    )
    def test_a_url_of_another_kind_is_refused(self, url: str) -> None:
        config = f"[core]\nremote = s\n['remote \"s\"']\nurl = {url}\n"
        with pytest.raises(DvcError, match="has a URL with the scheme"):
            read_foreign_config(config.encode(), None)

    def test_a_remote_that_refers_to_another(self, tmp_path: Path) -> None:
        config = (
            "[core]\nremote = images\n['remote \"images\"']\nurl = remote://Server/img\n"
            "['remote \"server\"']\nurl = ssh://host/x\nuser = ada\n"
        )
        found = read_foreign_config(config.encode(), None)
        assert set(found["remote"]) == {"images", "server"}
        evil = config + "keyfile = /x\n"
        with pytest.raises(DvcError, match="sets 'keyfile'"):
            read_foreign_config(evil.encode(), None)
        loop = config.replace("ssh://host/x", "remote://images/x")
        with pytest.raises(DvcError, match="'images' refers to itself"):
            read_foreign_config(loop.encode(), None)

    @pytest.mark.parametrize(
        ("config", "rule"),
        [
            (b"[core\n", "does not parse"),
            (b"\xff\xfe", "does not parse"),
            (b"#" * 70_000, "larger than 64 KiB"),
            (b"[core]\nremote = s\n", "names the remote 's', but sets no url"),
            (b"[core]\nremote = s\n['remote \"s\"']\nuser = a\n", "no url"),
            (b"[core]\nremote = s\n['remote \"s\"']\nurl = http://h/x\njobs = many\n", "jobs"),
        ],
    )
    def test_a_configuration_that_is_wrong(self, tmp_path: Path, config: bytes, rule: str) -> None:
        with pytest.raises(DvcError, match=rule) as error:
            DvcProject.from_config(tmp_path, config, None)
        assert str(error.value).isprintable()
