"""The topic: what its files become, what is refused and how it is said, and that the code names none."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import QUERIES, Desk, tiled
from tests.helpers_site import Site, add_person, filled
from tracker import topic
from tracker.errors import UsageError
from tracker.query import default_tree, unknown_headings
from tracker.query.syntax import parse
from tracker.site.server import passwords
from tracker.topic.files import READERS, InvalidTopic, check, json_schemas, load_topic

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "queries" / "topic"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "topic"
    made.mkdir()
    return made


def problems(folder: Path) -> list[str]:
    with pytest.raises(InvalidTopic) as caught:
        load_topic(folder)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(str(folder), "topic").splitlines()


# -- what the files become ---------------------------------------------------------------------


def test_each_file_becomes_a_part_of_the_topic(folder: Path) -> None:
    (folder / "site.yml").write_text("heading: Salt and blood pressure\n")
    (folder / "synonyms.yml").write_text("synonyms:\n  - [salt, sodium chloride, NaCl]\n")
    (folder / "headings.yml").write_text("headings:\n  Hypertension:\n    Hypertension, Malignant:\n")
    (folder / "labels.yml").write_text("never_summed:\n  drug: [table salt, sea salt]\n")
    (folder / "tags.yml").write_text("groups:\n  - {name: Salt, tags: [{name: little}, {name: much}]}\n")
    found = load_topic(folder)
    assert found.site.heading == "Salt and blood pressure"
    assert found.site.name == "Evidence tracker", "what a file leaves out is said in words that fit any topic"
    assert found.synonyms == (("salt", "sodium chloride", "NaCl"),)
    assert found.headings == {"Hypertension": {"Hypertension, Malignant": None}}
    assert found.never_summed == {"drug": ("table salt", "sea salt")}
    assert [tag.name for tag in found.tags.groups[0].tags] == ["little", "much"]


@pytest.mark.parametrize("missing", ["folder", *READERS])
def test_a_missing_file_or_folder_stops_nothing(tmp_path: Path, missing: str) -> None:
    if missing != "folder":
        shutil.copytree(QUERIES / "topic", tmp_path / "topic")
        (tmp_path / "topic" / f"{missing}.yml").unlink()
    found = load_topic(tmp_path / "topic")
    if missing in ("folder", "site"):
        assert found.site.title == "Open questions and the evidence"
    assert bool(found.synonyms) == (missing not in ("folder", "synonyms"))
    assert bool(found.headings) == (missing not in ("folder", "headings"))


# -- what is refused -------------------------------------------------------------------------------

# (name, file, text, what is said)
REFUSALS = [
    (
        "a field that is none",
        "site.yml",
        "titel: Salt\n",
        'topic/site.yml line 1: "titel" is not a field; did you mean "title"?',
    ),
    ("a number for a title", "site.yml", "title: 3\n", "title is 3; it needs text (put numbers in quotes)"),
    ("a list in place of fields", "site.yml", "- salt\n", 'begin with "title: Open questions"'),
    ("an empty file", "tags.yml", "\n", "the file is empty; start from another topic's file, or remove it"),
    ("a word without a synonym", "synonyms.yml", "synonyms:\n  - [salt]\n", "line 2: synonyms.0 is"),
    ("a heading that is text", "headings.yml", "headings:\n  Salt: sea\n", "headings.Salt"),
    ("a group without a list", "labels.yml", "never_summed:\n  drug: salt\n", "line 2: never_summed.drug is"),
    (
        "a tag's field that is none",
        "tags.yml",
        "groups:\n  - name: Salt\n    tags:\n      - {name: much, color: red}\n",
        'line 4: "groups.0.tags.0.color" is not a field; did you mean "colour"?',
    ),
    (
        "two tags of one name",
        "tags.yml",
        "groups:\n  - name: A\n    tags: [{name: much}]\n  - name: B\n    tags: [{name: Much}]\n",
        'line 5: the tag "Much" appears twice; rename one',
    ),
    (
        "two groups of questions of one name",
        "site.yml",
        "groups:\n  - {name: sides, title: Sides}\n  - {name: sides, title: More}\n",
        'line 3: the group of questions "sides" appears twice; rename one',
    ),
    (
        "a misspelt name",
        "synonym.yml",
        "synonyms: []\n",
        "topic/synonym.yml: this is not a topic file; did you mean synonyms.yml?",
    ),
    ("another ending", "site.yaml", "title: Salt\n", "did you mean site.yml?"),
    ("an unknown name", "extra.yml", "title: Salt\n", "choose one of: site.yml, synonyms.yml, headings.yml"),
]


@pytest.mark.parametrize(
    ("name", "text", "said"), [case[1:] for case in REFUSALS], ids=[c[0] for c in REFUSALS]
)
def test_what_cannot_be_used_is_one_line_with_place_and_remedy(
    folder: Path, name: str, text: str, said: str
) -> None:
    (folder / name).write_text(text)
    (line,) = problems(folder)
    assert said in line


def test_all_problems_of_all_files_are_told_at_once(folder: Path) -> None:
    (folder / "site.yml").write_text("titel: Salt\nfoter: Salt\n")
    (folder / "labels.yml").write_text("never_sumed: {}\n")
    assert len(problems(folder)) == 3


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "topic").write_text("title: Salt\n")
    with pytest.raises(InvalidTopic, match="this is not a folder"):
        load_topic(tmp_path / "topic")


@pytest.mark.parametrize(
    "command", [("questions", "check"), ("refresh",), ("search", "salt")], ids=lambda each: " ".join(each)
)
def test_a_command_ends_with_2_where_the_topic_cannot_be_used(desk: Desk, command: tuple[str, ...]) -> None:
    assert desk.run("refresh").code == 0
    (desk.own_queries() / "topic" / "site.yml").write_text("titel: Salt\n")
    done = desk.run(*command)
    assert done.code == 2
    assert done.err.startswith("Error: ") and 'site.yml line 1: "titel" is not a field' in done.err
    assert len(done.err.splitlines()) == 1


def test_a_site_does_not_start_with_a_topic_that_cannot_be_used(desk: Desk) -> None:
    assert desk.run("refresh").code == 0
    (desk.own_queries() / "topic" / "tags.yml").write_text("- salt\n")
    assert "tags.yml line 1: a topic's file" in desk.run("serve").err


# -- the check -------------------------------------------------------------------------------------


def test_the_check_of_questions_looks_through_the_topic_as_well(desk: Desk) -> None:
    text = "synonyms:\n  - [salt, sodium chloride]\n  - [NaCl, Salt]\n"
    (desk.own_queries() / "topic" / "synonyms.yml").write_text(text)
    done = desk.run("questions", "check", "cystitis", "--json")
    assert done.code == 3
    (found,) = [problem for problem in done.json if problem["file"].endswith("synonyms.yml")]
    assert (found["code"], found["severity"], found["line"]) == ("T001", "warning", 3)
    assert found["field"] == "synonyms.1.1"


def test_what_we_ship_has_nothing_to_mend() -> None:
    load_topic(SHIPPED)
    assert check(SHIPPED) == []


def test_the_schemas_for_editors_are_current() -> None:
    schemas = json_schemas()
    assert {path.stem for path in (SHIPPED / "schemas").iterdir()} == set(schemas)
    for name, text in schemas.items():
        assert (SHIPPED / "schemas" / f"{name}.json").read_text(encoding="utf-8") == text, (
            "write what tracker.topic.files.json_schemas() returns to queries/topic/schemas/"
        )
        json.loads(text)


# -- the whole product about something else ------------------------------------------------------


@pytest.fixture(scope="module")
def about_salt(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The records of the tests, on a site that says that it is about salt."""
    desk = filled(tmp_path_factory.mktemp("salt"))
    desk.annotations.unlink()
    folder = desk.own_queries() / "topic"
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "site.yml").write_text(
        "name: Salt watch\ntitle: Salt and health\nheading: Salt\nlead: We follow salt.\n"
        "description: Salt research.\nfooter: Salt is no medicine.\nsynonym_example: NaCl finds salt\n"
    )
    (folder / "synonyms.yml").write_text("synonyms:\n  - [salt, cystitis]\n")
    (folder / "tags.yml").write_text("groups:\n  - {name: Salt, tags: [{name: much salt}]}\n")
    (folder / "headings.yml").write_text("headings:\n  Salts:\n    Sodium Chloride:\n")
    return desk


def test_every_page_says_what_the_topic_says(about_salt: Desk) -> None:
    site = Site(about_salt)
    home = site.page("/")
    assert "<title>Salt and health</title>" in home
    assert '<meta name="description" content="Salt research.">' in home
    assert "<h1>Salt</h1>" in home and '<p class="lead">We follow salt.</p>' in home
    for path in ("/", "/questions/cystitis", "/changes", "/methods", "/search?q=pain"):
        page = site.page(path)
        assert "<p>Salt is no medicine.</p>" in page, path
        assert ">Salt watch</a>" in page, path
        assert path == "/" or " – Salt watch</title>" in page, path
    assert "its synonyms (NaCl finds salt);" in site.page("/search?q=pain")
    assert "Salt watch" in site.get("/articles/1").text, "a page that says what went wrong, too"


def test_a_search_knows_the_synonyms_of_the_topic_and_those_of_every_topic(about_salt: Desk) -> None:
    def found(text: str) -> set[str]:
        return {
            hit["pmid"] for hit in about_salt.run("search", text, "--json", "--limit", "1000").json["hits"]
        }

    assert found("salt") == found("cystitis") != set()
    assert found("esketamine") != found("spravato"), "synonyms of another topic are none here"
    assert found("randomised controlled trial") == found("RCT")


def test_the_vocabulary_to_start_with_is_the_topics(about_salt: Desk) -> None:
    Site(about_salt)
    assert "much salt" in about_salt.run("tag", "vocabulary", "export").out
    assert "treatment-resistant" not in about_salt.run("tag", "vocabulary", "export").out


def test_headings_are_those_of_the_topic_and_those_of_every_topic(about_salt: Desk) -> None:
    topic.use(about_salt.queries / "topic")
    assert "sodium chloride" in default_tree().explode("Salts")
    assert unknown_headings(parse("salts[mh] OR animals[mh]")) == []
    assert unknown_headings(parse("ketamine[mh]")) == ["ketamine"]


def test_other_processes_that_match_records_have_the_topic_too(desk: Desk) -> None:
    """Two batches go to workers, which find cystitis below another heading by this topic alone."""
    elsewhere = shutil.copytree(QUERIES, desk.home / "elsewhere")
    (elsewhere / "topic" / "headings.yml").write_text("headings:\n  Salts:\n    Cystitis:\n")
    text = (elsewhere / "cystitis.yml").read_text()
    search = "search:\n  below: salts[mh]\n  combine: below\n"
    one = re.sub(r"search:\n.*?  combine: [^\n]*\n", search, text, flags=re.S).replace("[bladder]", "[below]")
    (elsewhere / "cystitis.yml").write_text(one)
    file = tiled(desk.home, copies=5)
    done = desk.run("--queries", str(elsewhere), "load", str(file), "--match", "cystitis", "--json")
    assert done.json["matched"]["cystitis"] > 0


def test_the_words_of_the_home_page_are_no_password(about_salt: Desk) -> None:
    topic.use(about_salt.queries / "topic")
    with pytest.raises(UsageError, match="too easy to guess"):
        passwords.check_new("HealthHealth")
    passwords.check_new("ketamineketamine")
    topic.use(QUERIES / "topic")
    with pytest.raises(UsageError, match="too easy to guess"):
        passwords.check_new("ketamineketamine")


def test_without_a_topic_the_site_speaks_of_open_questions(desk: Desk) -> None:
    assert desk.run("refresh").code == 0
    shutil.rmtree(desk.own_queries() / "topic")
    site = Site(desk)
    assert "<h1>Open questions</h1>" in site.page("/")
    assert "its synonyms; end it with" in site.page("/search?q=pain")
    add_person(desk, "ada")
    assert desk.run("tag", "vocabulary", "export").out == "groups: []\n"


# -- no topic in the code ------------------------------------------------------------------------


def test_the_code_names_no_topic_but_in_examples_of_rules() -> None:
    words = re.compile(r"ketamin|spravato|cystitis|bladder|psychotherap", re.I)
    files = [
        path
        for path in (ROOT / "tracker").rglob("*")
        if path.suffix in (".py", ".html", ".yml", ".sql", ".js", ".css") and "rules" not in path.parts
    ]
    assert len(files) > 100
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()[:80]}"
        for path in files
        for line in path.read_text(encoding="utf-8").splitlines()
        if words.search(line)
    ]
    assert found == []
    for path in (ROOT / "tracker" / "reading" / "rules").iterdir():
        lines = path.read_text(encoding="utf-8").splitlines()
        named = [line for line in lines if "ketamin" in line.lower()]
        assert all(re.match(r"\s*(not_)?examples: ", line) for line in named), path.name
