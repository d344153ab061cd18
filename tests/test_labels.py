"""Labels, directness and findings: each with its words, in every group, from the registry to every page."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from benchmarks.reading import sets
from tests.conftest import FIXTURES, QUERIES, Desk
from tests.test_upgrades import add, run_in
from tracker.reading import read_labels
from tracker.reading.labels import groups

ROOT = Path(__file__).parents[1]


# -- words -----------------------------------------------------------------------------------------


def test_every_quote_of_every_stored_record_stands_in_its_text(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    files = sorted(str(path) for path in (FIXTURES / "pubmed").glob("*.xml"))
    assert desk.run("load", "--match", "all", *files).code == 0
    with closing(sqlite3.connect(desk.db)) as db:
        quotes = db.execute(
            """
            select l.quote, substr(iif(l.part = 'title', a.title, a.abstract), l.start + 1, l."end" - l.start)
            from labels l join articles a using (pmid) where l.part <> 'field'
            """
        ).fetchall()
        assert len(quotes) > 50
        assert [pair for pair in quotes if pair[0] != pair[1]] == []
        fields = db.execute("select count(*) from labels where part = 'field' and start is null").fetchone()[
            0
        ]
        assert fields == db.execute("select count(*) from labels where part = 'field'").fetchone()[0] > 10
        sentences = db.execute(
            """
            select s.sentence, a.title || char(10) || a.abstract, f.cue from finding_sentences s
            join findings f using (question, pmid, position) join articles a using (pmid)
            """
        ).fetchall()
        assert len(sentences) > 5
        assert all(sentence in text and cue in sentence for sentence, text, cue in sentences)


def test_every_quote_of_every_real_record_stands_in_its_text() -> None:
    records = sets.records("ketamine") | sets.records("pubmed_real")
    if not records:
        pytest.skip("the real records are not beside this checkout")
    several = [group.name for group in groups().values() if group.kind not in ("many", "dose")]
    for article in records.values():
        labels = read_labels(article)
        texts = {"title": article.title.plain, "abstract": article.abstract_text}
        for label in labels:
            assert label.quote, label
            if label.part != "field":
                assert texts[label.part][label.start : label.end] == label.quote, label
        assert len({(label.group, label.value) for label in labels}) == len(labels)
        counts = Counter(label.group for label in labels)
        assert all(counts[group] <= 1 for group in several), article.pmid


# -- where a question's answers are kept -------------------------------------------------------------


def test_a_changed_brief_is_answered_by_anew_and_a_gone_one_not_at_all(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    files = sorted(str(path) for path in (FIXTURES / "pubmed").glob("*.xml"))
    assert desk.run("load", "--match", "all", *files).code == 0
    file = desk.own_queries() / "cystitis.yml"
    text = file.read_text(encoding="utf-8")
    before = desk.sql("select pmid, value from directness where question = 'cystitis' order by pmid")
    assert before
    file.write_text(text.replace("reason: ", "reason: as a test has it, "), encoding="utf-8")
    assert desk.run("load", "--match", "all", files[0]).code == 0
    after = desk.sql("select pmid, value, reason from directness where question = 'cystitis' order by pmid")
    assert [row[:2] for row in after] == before
    assert any(row[2].startswith("as a test has it") for row in after)
    file.write_text(re.sub(r"^reading:\n(?: .*\n)+", "", text, flags=re.M), encoding="utf-8")
    assert desk.run("load", "--match", "all", files[0]).code == 0
    assert desk.sql("select pmid from directness where question = 'cystitis'") == []
    assert desk.sql("select pmid from findings where question = 'cystitis'") == []
    assert (
        desk.sql(
            "select value from question_labels where question = 'cystitis' and label_group = 'directness'"
        )
        == []
    )


# -- a contributor adds a group ----------------------------------------------------------------------

ROW = """  blinding:
    title: Blinding
    kind: one
    about: Who did not know which treatment was given
    wrong: A blind shown for an open study that reviews blind ones
"""
RULES = r"""version: 1
sources:
  ours: Written for a test
rules:
  - name: double-blind
    value: double-blind
    text: '\b double[ -]blind'
    words: [double]
    examples: [A double-blind trial]
    source: ours
"""
PAGES = """
import asyncio
from pathlib import Path
from tracker.settings import Settings
from tracker.site.server.serve import open_site
site = open_site(Settings(db_dir=Path("db"), queries=Path("queries"), secret="of the tests"))
for path in ("/questions/cystitis", "/questions/cystitis?blinding=double-blind", "/methods"):
    answer = asyncio.run(site.client.get(path))
    print(answer.status_code, answer.text)
"""


def test_a_group_added_by_a_row_and_a_file_of_rules_appears_everywhere(tmp_path: Path) -> None:
    code = tmp_path / "code"
    shutil.copytree(ROOT / "tracker", code / "tracker")
    shutil.copytree(QUERIES, tmp_path / "queries")
    shutil.copy(ROOT / "metadata.yml", tmp_path)
    reading = code / "tracker" / "reading"
    add(reading / "labels.yml", "  evidence_level:\n", ROW)
    (reading / "rules" / "blinding.yml").write_text(RULES, encoding="utf-8")
    file = tmp_path / "blind.xml"
    title = "A double-blind trial of ketamine in cystitis of the bladder"
    file.write_text(
        "<PubmedArticleSet><PubmedArticle><MedlineCitation Status='MEDLINE'><PMID Version='1'>90000999</PMID>"
        f"<Article><Journal><Title>J</Title></Journal><ArticleTitle>{title}</ArticleTitle></Article>"
        "</MedlineCitation></PubmedArticle></PubmedArticleSet>",
        encoding="utf-8",
    )
    run = partial(run_in, tmp_path, code)
    run("load", "--match", "cystitis", str(file))
    listed = json.loads(run("export", "cystitis", "--format", "json", "--filter", "blinding=double-blind"))
    (article,) = listed["articles"]
    assert {"group": "blinding", "value": "double-blind", "basis": "title", "read_by": "machine"} in article[
        "labels"
    ]
    assert '"blinding (read by machine)"' in run("export", "cystitis", "--format", "csv")
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", PAGES],
        cwd=tmp_path,
        env={"PYTHONPATH": str(code), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("200 ") >= 3
    assert 'name="blinding" value="double-blind"' in done.stdout
    assert '<dt id="label-blinding">Blinding</dt>' in done.stdout
