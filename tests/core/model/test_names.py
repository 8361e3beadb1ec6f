"""Names, references and tags: parsed and formatted as inverse pairs, nonsense refused."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.core.model import names
from gitreg.core.model.names import Reference, RegistryTag
from gitreg.errors import InvalidRequest

QUICK = settings(max_examples=60, deadline=None)

PIECES = st.sampled_from(
    [
        "a",
        "Z",
        "0",
        "9",
        "_",
        "-",
        ".",
        " ",
        "%",
        "é",
        "e\N{COMBINING ACUTE ACCENT}",
        "日",
        "🙂",
        "'",
        '"',
        "\\",
        "*",
        "con",
        "nul",
        ".lock",
        ".git",
        "%41",
        "&",
        "ß",
        "\u0131",
    ]
)
MODELS = st.lists(PIECES, min_size=1, max_size=6).map("".join).filter(names.is_model_name)
WORDS = st.from_regex(r"[a-z][a-z0-9]{0,5}([-_][a-z0-9]{1,3})?", fullmatch=True)
STAGES = WORDS.filter(
    lambda word: word not in ("none", "latest") and not names._LOOKS_LIKE_A_NUMBER.fullmatch(word)
)


def _is_free(alias: str) -> bool:
    try:
        names.check_alias(alias)
    except InvalidRequest:
        return False
    return True


ALIASES = st.text(st.sampled_from("abXY09_-éß日"), min_size=1, max_size=8).filter(_is_free)
VERSIONS = st.integers(1, 999_999_999)
TAGGABLE = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9_-]{0,6}[a-zA-Z0-9])?", fullmatch=True)
REFERENCES = st.one_of(
    st.builds(Reference, MODELS),
    st.builds(Reference, MODELS, version=VERSIONS),
    st.builds(Reference, MODELS, alias=ALIASES),
    st.builds(Reference, MODELS, stage=STAGES | st.just("none")),
    st.builds(Reference, MODELS, latest=st.just(True)),
)
TAGS = st.one_of(
    st.builds(RegistryTag, TAGGABLE, version=VERSIONS),
    st.builds(RegistryTag, TAGGABLE, version=VERSIONS, counter=VERSIONS, cancelled=st.just(True)),
    st.builds(RegistryTag, TAGGABLE, pointer=TAGGABLE, counter=VERSIONS, cancelled=st.booleans()),
)


@QUICK
@given(MODELS)
def test_folder_names_are_portable_and_reversible(name: str) -> None:
    folder = names.folder_of(name)
    assert names.name_of(folder) == name
    assert folder.isascii()
    assert not set(folder) & set('/\\:*?"<>| ')
    assert folder[0] not in ".-"
    assert folder[-1] not in ". "
    assert folder.partition(".")[0].lower() not in ("con", "nul", "aux", "prn", "com1", "lpt1")


@QUICK
@given(st.text(max_size=8) | st.lists(PIECES, max_size=5).map("".join))
def test_two_folders_never_stand_for_one_name(folder: str) -> None:
    name = names.name_of(folder)
    assert name is None or names.folder_of(name) == folder


@pytest.mark.parametrize(
    "folder", ["", "%", "%zz", "%c3%b6", "%FF", "a b", "ö", ".git", "con", "%61"]
)
def test_folders_that_gitreg_never_wrote(folder: str) -> None:
    assert names.name_of(folder) is None


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("churn-predictor", "churn-predictor"),
        ("v1.2", "v1.2"),
        ("x.lock", "x.lock"),
        ("con", "%63on"),
        ("CON.txt", "CON%2Etxt"),
        ("com5", "%63om5"),
        ("two words", "two%20words"),
        ("100%", "100%25"),
    ],
)
def test_folders(name: str, folder: str) -> None:
    assert names.folder_of(names.check_model_name(name)) == folder
    assert names.name_of(folder) == name


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "it is empty"),
        ("../x", "/ : @ and # are reserved for references"),
        ("a/b", "reserved for references"),
        ("a@b", "reserved for references"),
        ("a:b", "reserved for references"),
        ("a#b", "reserved for references"),
        ("-x", "may not start or end with"),
        ("--upload-pack=x", "may not start or end with"),
        (".git", "may not start or end with"),
        ("..", "may not start or end with"),
        ("x.", "may not start or end with"),
        (" x", "may not start or end with"),
        ("x\u00a0", "may not start or end with"),
        ("x\0", "control or invisible character"),
        ("\x1b[31mred", "control or invisible character"),
        ("a\nb", "control or invisible character"),
        ("a\u202eb", "control or invisible character"),
        ("a\u2028b", "control or invisible character"),
        ("a\ud800b", "control or invisible character"),
        ("a\u200bb", "control or invisible character"),
        ("x" * 300, "it has 300 characters, 100 is the most"),
        ("é" * 100, "as a folder name it is longer than 255 bytes"),
    ],
)
def test_names_that_no_model_may_have(name: str, rule: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be a model's name") as caught:
        names.check_model_name(name)
    assert rule in str(caught.value)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600  # 100 characters, escaped, and the rule
    assert not names.is_model_name(name)


def test_the_longest_names() -> None:
    assert names.check_model_name("x" * 100)
    assert names.check_alias("x" * 100)
    with pytest.raises(InvalidRequest, match="1 to 100 letters"):
        names.check_alias("x" * 101)
    with pytest.raises(InvalidRequest, match="longer than 255 bytes"):
        names.check_alias("日" * 100)


def test_names_that_count_as_one() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert composed != decomposed
    assert names.fold(composed) == names.fold(decomposed) == names.fold("CAFÉ")
    assert names.fold("Prod") == names.fold("prod")
    assert names.fold("prod") != names.fold("prod2")


@QUICK
@given(MODELS)
def test_every_unicode_form_of_a_name_counts_as_it(name: str) -> None:
    forms = {names.fold(unicodedata.normalize(form, name)) for form in ("NFC", "NFD", "NFKC")}
    assert forms == {names.fold(name)}


def test_stage_names() -> None:
    assert names.check_stage_name("Production") == "production"
    assert names.check_stage_name("pre-prod_2") == "pre-prod_2"


@pytest.mark.parametrize(
    ("stage", "rule"),
    [
        ("none", "reserved"),
        ("Latest", "reserved"),
        ("5", "reserved"),
        ("v5", "reserved"),
        ("1.0.0", "reserved"),
        ("", "letters, digits"),
        ("../x", "letters, digits"),
        ("-x", "letters, digits"),
        ("x-", "letters, digits"),
        ("a b", "letters, digits"),
        ("é", "letters, digits"),
        ("x" * 101, "letters, digits"),
        ("a\n", "letters, digits"),
    ],
)
def test_names_that_no_stage_may_have(stage: str, rule: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be a stage's name") as caught:
        names.check_stage_name(stage)
    assert rule in str(caught.value)


@pytest.mark.parametrize(
    ("alias", "rule"),
    [
        ("", "1 to 100 letters"),
        ("-x", "1 to 100 letters"),
        ("a/b", "1 to 100 letters"),
        ("a@b", "1 to 100 letters"),
        ("a b", "1 to 100 letters"),
        ("a.b", "1 to 100 letters"),
        ("a\n", "1 to 100 letters"),
        ("5", "looks like a version"),
        ("V5", "looks like a version"),
        ("٣", "looks like a version"),
        ("LATEST", "'latest' always means the highest version"),
        ("canary", "the policy has a stage of that name"),
        ("Canary", "the policy has a stage of that name"),
    ],
)
def test_names_that_no_alias_may_have(alias: str, rule: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be an alias") as caught:
        names.check_alias(alias, ("canary",))
    assert rule in str(caught.value)


def test_an_alias_may_be_a_stage_of_another_registry() -> None:
    assert names.check_alias("canary") == "canary"


@pytest.mark.parametrize("alias", ["production", "Staging", "archived", "None"])
def test_an_alias_may_be_one_of_mlflows_stages(alias: str) -> None:
    assert names.check_alias(alias, ("staging", "production", "archived")) == alias
    assert names.parse_reference(f"m@{alias}") == Reference("m", alias=alias)
    assert names.name_in_tags(f"aliases/{alias}") is None


# References


@settings(max_examples=150, deadline=None)
@given(REFERENCES)
def test_references_parse_to_what_was_formatted(reference: Reference) -> None:
    assert names.parse_reference(str(reference)) == reference


@pytest.mark.parametrize(
    ("texts", "reference"),
    [
        (
            ["m@5", "m:5", "m/5", "m@v5", "m@v5.0.0", "models:/m/5", "models:///m/5"],
            Reference("m", version=5),
        ),
        (["m@champion", "models:/m@champion"], Reference("m", alias="champion")),
        (
            ["m/production", "m#production", "m/PRODUCTION", "models:/m/Production"],
            Reference("m", stage="production"),
        ),
        (["m/none", "models:/m/None"], Reference("m", stage="none")),
        (["m@latest", "m:Latest", "models:/m/latest"], Reference("m", latest=True)),
        (["m", "models:/m"], Reference("m")),
        (["two words@2"], Reference("two words", version=2)),
    ],
)
def test_what_a_person_may_type(texts: list[str], reference: Reference) -> None:
    assert [names.parse_reference(text) for text in texts] == [reference] * len(texts)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "cannot be a model's name: it is empty", None),
        ("@5", "names no model", "put the model's name in front"),
        ("--output=F", "may not start or end", None),
        ("../x@5", "may not start or end", None),
        ("m@0", "'0' is not a version", "versions are 1, 2, 3"),
        ("m@1.2.0", "'1.2.0' is not a version", "versions are 1, 2, 3"),
        ("m@1234567890", "is not a version", "versions are 1, 2, 3"),
        ("m#5", "'5' is not a version", "versions are 1, 2, 3"),
        ("m#latest", "reserved", None),
        ("m@", "is not a reference", "try churn-predictor@5"),
        ("m@a@b", "is not a reference", "try churn-predictor@5"),
        ("m@-x", "is not a reference", "try churn-predictor@5"),
        ("m:champion", "is not a reference", "try churn-predictor@5"),
        ("m@" + "x" * 101, "is not a reference", "try churn-predictor@5"),
        ("m/a b", "cannot be a stage's name", None),
        ("m/", "cannot be a stage's name", None),
        ("\x1b[0m@5", "control or invisible", None),
    ],
)
def test_what_is_no_reference(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        names.parse_reference(text)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert hint is None or hint in (caught.value.hint or "")


@QUICK
@given(st.text(max_size=12))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    try:
        reference = names.parse_reference(text)
    except InvalidRequest:
        return
    assert names.parse_reference(str(reference)) == reference


def test_only_a_model_is_a_model() -> None:
    assert Reference("m").is_model
    assert not Reference("m", version=1).is_model
    assert not Reference("m", latest=True).is_model


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", 5),
        ("v5", 5),
        ("5.0.0", 5),
        ("0", None),
        ("05", None),
        ("5.1.0", None),
        ("x", None),
        ("-5", None),
        ("٣", None),
        ("5\n", None),
    ],
)
def test_version_numbers(text: str, number: int | None) -> None:
    assert names.parse_version_number(text) == number


# Tags


@settings(max_examples=150, deadline=None)
@given(TAGS)
def test_tags_parse_to_what_was_formatted(tag: RegistryTag) -> None:
    assert names.parse_tag(str(tag)) == tag


def test_tags_are_in_gtos_grammar() -> None:
    assert str(RegistryTag("m", version=5)) == "m@v5.0.0"
    assert str(RegistryTag("m", version=5, counter=9, cancelled=True)) == "m@v5.0.0!#9"
    assert str(RegistryTag("m", pointer="production", counter=8)) == "m#production#8"
    assert str(RegistryTag("m", pointer="champion", counter=9, cancelled=True)) == "m#champion!#9"


@pytest.mark.parametrize(
    "text",
    [
        "v1.0.0",
        "m@v1.2.0",
        "m@v0.0.0",
        "m@5",
        "m#production",
        "m#production#0",
        "-m@v1.0.0",
        "m-@v1.0.0",
        "m#-x#1",
        "m#x_#1",
        "a.b@v1.0.0",
        "m@v1.0.0!",
        "m@v1.0.0#3",
        "m@v1.0.0\n",
        "",
    ],
)
def test_tags_of_somebody_else(text: str) -> None:
    assert names.parse_tag(text) is None


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("churn-predictor", True),
        ("a/b", True),
        ("x", True),
        ("a.b", False),
        ("-a", False),
        ("a-", False),
        ("two words", False),
        ("é", False),
        ("", False),
    ],
)
def test_names_that_gto_takes(*, name: str, taken: bool) -> None:
    assert names.is_taggable(name) is taken


def test_gto_reads_the_tags_of_taggable_names() -> None:
    from gto.constants import name_re

    for name in ("churn-predictor", "x", "a.b", "-a", "a-", "two words", "A_1"):
        assert names.is_taggable(name) == bool(name_re.fullmatch(name)), name
