"""Two stages, one reviewer or two who are blind to each other, conflicts, and numbers that add up."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.article import Pmid
from tracker.errors import Refused, TrackerError, UsageError
from tracker.evidence.connect import open_for_writing
from tracker.evidence.schema import migrations
from tracker.team import agreement, blind, by_article, decisions, people, screening, tagging
from tracker.team.acts import acting, open_annotations, undo
from tracker.team.log import events
from tracker.team.review import Review
from tracker.team.screening import Flow, ReviewState

FIRST, SECOND = "title-abstract", "full-text"
REASONS = ("wrong population", "wrong drug")
PAPERS = range(1, 13)
ARTICLE = (
    "pmid title title_html kind version authors_complete retracted expression_of_concern corrected updated commented "
    "republished is_notice"
).split()


PEOPLE = {"ada": 1, "bob": 2, "cyd": 3, "eve": 4}


@pytest.fixture(scope="module")
def beginning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A question with a dozen papers, and a team that has done nothing yet; to be copied."""
    folder = tmp_path_factory.mktemp("beginning")
    with closing(open_for_writing(folder / "evidence.db", migrations, "NORMAL")) as db, db:
        db.execute(
            "insert into questions (slug, position, title, question, recheck_days, dual, reasons)"
            " values ('bladder', 1, 'Bladder', '?', 30, 1, '[\"wrong population\", \"wrong drug\"]')"
        )
        for pmid in PAPERS:
            db.execute(
                f"insert into articles ({', '.join(ARTICLE)}) values ({', '.join('?' * len(ARTICLE))})",
                (pmid, f"Paper {pmid}", f"Paper {pmid}", "article", *[0] * 9),
            )
            db.execute(
                "insert into question_articles (question, pmid, published, entered, reason, matching)"
                " values ('bladder', ?, '', '2026-01-01', 'first search', 1)",
                (pmid,),
            )
        db.execute("insert into question_counts values ('bladder', 'all', '', '', ?)", (len(PAPERS),))
    with closing(open_annotations(folder / "annotations.db")) as db, acting(db, None, "a test") as act:
        for name, id in PEOPLE.items():
            role = "lead" if name == "eve" else "tagger"
            assert people.add(act, name, role, name.capitalize()).id == id
    return folder


@dataclass
class Team:
    """People who decide on the papers of a question; each act is a transaction of its own."""

    folder: Path
    review: Review = field(default_factory=lambda: Review("bladder", True, REASONS))
    batch: int | None = None

    @classmethod
    def begins(cls, beginning: Path, folder: Path) -> Team:
        return cls(shutil.copytree(beginning, folder / "team"))

    @property
    def path(self) -> Path:
        return self.folder / "annotations.db"

    def dual(self, dual: bool) -> None:
        """What a refresh does after somebody has changed the question's file."""
        self.review = self.review._replace(dual=dual)
        with closing(sqlite3.connect(self.folder / "evidence.db")) as db, db:
            db.execute("update questions set dual = ?", (dual,))

    def says(
        self,
        who: str,
        pmid: int,
        decision: str | None,
        reason: str | None = None,
        stage: str = FIRST,
        was: str | decisions.Unsaid | None = decisions.UNSAID,
    ) -> bool:
        def what(act: Any) -> bool:
            return decisions.decide(act, self.review, Pmid(pmid), stage, decision, reason, was=was)

        return self.act(who, what)

    def settles(
        self, pmid: int, decision: str, reason: str | None = None, stage: str = FIRST, why: str = "We talked."
    ) -> bool:
        def what(act: Any) -> bool:
            return decisions.settle(act, self.review, Pmid(pmid), stage, decision, reason, why, was=None)

        return self.act("eve", what)

    def act(self, who: str, what: Callable[[Any], Any]) -> Any:
        with closing(open_annotations(self.path)) as db, acting(db, PEOPLE[who], "a test") as act:
            done = what(act)
            self.batch = act.batch
        return done

    def undoes(self, who: str, batch: int | None) -> int:
        assert batch
        may = lambda event: decisions.may_be_undone(self.review, event_db[0], event)  # noqa: E731
        event_db: list[sqlite3.Connection] = []

        def what(act: Any) -> int:
            event_db.append(act.db)
            return undo(act, batch, may, lambda pmid, question: None).undone

        return int(self.act(who, what))

    def looks(self, what: Callable[[sqlite3.Connection], Any]) -> Any:
        """Through a connection like those of the site."""
        with closing(sqlite3.connect(self.folder / "evidence.db")) as db:
            db.execute("attach ? as annotations", (str(self.path),))
            return what(db)

    def standing(self, viewer: str | None = "eve") -> ReviewState:
        who = PEOPLE[viewer] if viewer else None
        found: ReviewState = self.looks(lambda db: screening.standing(db, "bladder", who))
        return found

    @property
    def flow(self) -> Flow:
        return self.standing().flow

    def seen(self, viewer: str | None) -> Any:
        """All that pages show of decisions, tags, notes, the log and the review to somebody."""
        who = PEOPLE[viewer] if viewer else None

        def what(db: sqlite3.Connection) -> Any:
            standing = screening.standing(db, "bladder", who)
            assert standing is not None
            return (
                by_article.of_articles(db, list(PAPERS), "bladder", who),
                [by_article.of_article(db, Pmid(pmid), who) for pmid in PAPERS],
                events(db, who, limit=1000),
                list(by_article.final_decisions(db, self.review)),
                standing._replace(progress=[]),
            )

        return self.looks(what)

    def conflicts(self) -> list[tuple[int, str]]:
        return [(one["pmid"], one["stage"]) for one in self.standing().conflicts]


@pytest.fixture
def team(beginning: Path, tmp_path: Path) -> Team:
    return Team.begins(beginning, tmp_path)


@pytest.fixture
def single(team: Team) -> Team:
    team.dual(False)
    return team


def check_sums(flow: Flow) -> None:
    assert flow.identified == flow.screened + flow.undecided + flow.conflicts
    assert flow.screened == flow.excluded + flow.sought
    assert flow.sought == flow.assessed + flow.undecided_full_text + flow.conflicts_full_text
    assert flow.assessed == flow.excluded_full_text + flow.unsure_full_text + flow.included
    assert flow.excluded_full_text == sum(flow.reasons.values())
    assert all(number >= 0 for number in flow if isinstance(number, int))


# -- what two decisions come to --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ada", "bob", "comes_to"),
    [
        ("include", "include", "include"),
        ("include", "unsure", "include"),
        ("unsure", "unsure", "unsure"),
        ("exclude", "exclude", "exclude"),
        ("include", "exclude", None),
        ("unsure", "exclude", None),
    ],
)
def test_by_title_and_abstract_unsure_lets_pass_and_one_exclusion_is_a_conflict(
    team: Team, ada: str, bob: str, comes_to: str | None
) -> None:
    team.says("ada", 1, ada)
    team.says("bob", 1, bob)
    outcome = team.looks(lambda db: decisions.outcome(db, team.review, Pmid(1), FIRST))
    assert (outcome.decision, outcome.conflict) == (comes_to, comes_to is None)
    assert team.conflicts() == ([] if comes_to else [(1, FIRST)])
    passes = comes_to in ("include", "unsure")
    assert (team.flow.sought, team.flow.excluded, team.flow.conflicts) == (
        passes,
        comes_to == "exclude",
        comes_to is None,
    )


@pytest.mark.parametrize(
    ("ada", "bob", "comes_to"),
    [
        (("include", None), ("include", None), ("include", None)),
        (("exclude", "wrong drug"), ("exclude", "wrong drug"), ("exclude", "wrong drug")),
        (("exclude", "wrong drug"), ("exclude", "wrong population"), None),
        (("include", None), ("exclude", "wrong drug"), None),
        (("unsure", None), ("unsure", None), None),
        (("include", None), ("unsure", None), None),
    ],
)
def test_by_full_text_two_must_agree_on_the_reason_too_and_nobody_may_stay_unsure(
    team: Team, ada: tuple[str, str | None], bob: tuple[str, str | None], comes_to: Any
) -> None:
    for who in ("ada", "bob"):
        team.says(who, 1, "include")
    team.says("ada", 1, *ada, stage=SECOND)
    team.says("bob", 1, *bob, stage=SECOND)
    outcome = team.looks(lambda db: decisions.outcome(db, team.review, Pmid(1), SECOND))
    assert (outcome.decision, outcome.reason) == (comes_to or (None, None))
    assert team.conflicts() == ([] if comes_to else [(1, SECOND)])


def test_reasons_by_title_and_abstract_may_be_missing_or_differ(team: Team) -> None:
    team.says("ada", 1, "exclude", "wrong drug")
    team.says("bob", 1, "exclude", "wrong population")
    team.says("ada", 2, "exclude")
    team.says("bob", 2, "exclude", "wrong drug")
    assert (team.conflicts(), team.flow.excluded) == ([], 2)


def test_the_full_text_needs_a_reason_of_the_questions_list(team: Team) -> None:
    for who in ("ada", "bob"):
        team.says(who, 1, "include")
    with pytest.raises(UsageError, match="needs a reason"):
        team.says("ada", 1, "exclude", stage=SECOND)
    with pytest.raises(UsageError, match="Unknown reason"):
        team.says("ada", 1, "exclude", "I do not like it", stage=SECOND)
    with pytest.raises(UsageError, match="Only an exclusion"):
        team.says("ada", 1, "include", "wrong drug", stage=SECOND)
    team.says("ada", 1, "exclude", "wrong drug", stage=SECOND)


def test_the_full_text_comes_after_both_let_the_record_pass(team: Team) -> None:
    with pytest.raises(Refused, match="comes after"):
        team.says("ada", 1, "include", stage=SECOND)
    team.says("ada", 1, "include")
    with pytest.raises(Refused, match="comes after"):
        team.says("ada", 1, "include", stage=SECOND)
    team.says("bob", 1, "exclude")
    with pytest.raises(Refused, match="comes after"):
        team.says("ada", 1, "include", stage=SECOND)
    team.settles(1, "include")
    assert team.says("ada", 1, "include", stage=SECOND)


def test_a_third_reviewer_is_refused_and_the_two_can_change_nothing_any_more(team: Team) -> None:
    team.says("ada", 1, "include")
    assert team.says("ada", 1, "unsure")
    team.says("bob", 1, "exclude")
    for who, decision in (("cyd", "include"), ("ada", "exclude"), ("bob", None)):
        with pytest.raises(Refused, match="two people have decided"):
            team.says(who, 1, decision)
    # The same once more is no change, and says so.
    assert not team.says("bob", 1, "exclude")


def test_a_decision_on_a_page_that_was_out_of_date_is_refused(team: Team) -> None:
    team.says("ada", 1, "include", was=None)
    with pytest.raises(Refused, match="by now"):
        team.says("ada", 1, "exclude", was=None)
    assert team.says("ada", 1, "exclude", was="include")


# -- taking back -----------------------------------------------------------------------------------


def test_who_withdraws_before_the_other_has_decided_leaves_nothing(team: Team) -> None:
    before = team.seen("bob")
    team.says("ada", 1, "include")
    team.says("ada", 1, None)
    assert team.seen("bob") == before
    team.says("bob", 1, "exclude")
    assert team.flow.undecided == len(PAPERS)
    team.says("cyd", 1, "exclude")
    assert team.flow.excluded == 1
    (pair,) = team.standing().pairs
    assert (pair.first, pair.second, pair.all_three.n) == ("Bob", "Cyd", 1)


def test_what_two_have_seen_of_each_other_is_not_undone(team: Team) -> None:
    team.says("ada", 1, "include")
    hers = team.batch
    team.says("bob", 1, "exclude")
    his = team.batch
    assert (team.undoes("ada", hers), team.undoes("bob", his)) == (0, 0)


def test_a_withdrawn_decision_is_not_put_back_beside_one_that_was_made_since(team: Team) -> None:
    team.says("ada", 1, "include")
    team.says("ada", 1, None)
    withdrawn = team.batch
    team.says("bob", 1, "exclude")
    # Two would have decided, and nothing would have been opened.
    assert team.undoes("ada", withdrawn) == 0
    assert team.says("ada", 1, "include")
    assert team.conflicts() == [(1, FIRST)]
    assert len(team.seen("bob")[0][1]["decisions"]) == 2


def test_a_withdrawn_decision_is_never_put_back_which_would_tell_whether_another_has_decided(
    team: Team,
) -> None:
    team.says("ada", 1, "include")
    team.says("ada", 1, None)
    assert team.undoes("ada", team.batch) == 0
    assert team.says("ada", 1, "include")
    team.says("bob", 1, "include")
    assert team.flow.sought == 1


# -- settling --------------------------------------------------------------------------------------


def test_a_lead_settles_with_why_once_two_have_decided(team: Team) -> None:
    team.says("ada", 1, "include")
    with pytest.raises(Refused, match="two people have to decide"):
        team.settles(1, "include")
    team.says("bob", 1, "exclude")
    with pytest.raises(UsageError, match="Say why"):
        team.settles(1, "include", why=" ")
    with pytest.raises(UsageError, match="include or exclude"):
        team.settles(1, "unsure")
    team.settles(1, "include")
    assert (team.conflicts(), team.flow.sought, team.flow.settled[FIRST]) == ([], 1, 1)
    with pytest.raises(Refused, match="settled as include by now"):
        team.settles(1, "exclude")


def test_a_conflict_over_the_reason_is_settled_with_a_reason(team: Team) -> None:
    for who, reason in (("ada", "wrong drug"), ("bob", "wrong population")):
        team.says(who, 1, "include")
        if who == "bob":
            team.says("ada", 1, "exclude", "wrong drug", stage=SECOND)
            team.says("bob", 1, "exclude", reason, stage=SECOND)
    with pytest.raises(UsageError, match="needs a reason"):
        team.settles(1, "exclude", stage=SECOND)
    team.settles(1, "exclude", "wrong population", stage=SECOND)
    assert team.flow.reasons == {"wrong population": 1}


def test_settling_changes_no_agreement(team: Team) -> None:
    for pmid, bob in ((1, "exclude"), (2, "include")):
        team.says("ada", pmid, "include")
        team.says("bob", pmid, bob)
    before = team.standing().pairs
    team.settles(1, "exclude")
    # Also where both agreed, as neither of them can correct it.
    team.settles(2, "exclude")
    assert team.standing().pairs == before
    assert team.flow.excluded == 2


def test_what_is_excluded_after_all_is_not_at_the_full_text_whatever_was_said_there(team: Team) -> None:
    team.says("ada", 1, "include")
    team.says("bob", 1, "exclude")
    team.settles(1, "include")
    settled = team.batch
    team.says("ada", 1, "include", stage=SECOND)
    team.says("bob", 1, "include", stage=SECOND)
    assert team.flow.included == 1
    team.undoes("eve", settled)
    assert (team.flow.included, team.flow.sought, team.flow.conflicts) == (0, 0, 1)
    check_sums(team.flow)


# -- blind -----------------------------------------------------------------------------------------


def test_nobody_sees_a_decision_tag_or_note_before_two_have_decided(team: Team) -> None:
    before = {viewer: team.seen(viewer) for viewer in ("bob", "cyd", "eve", None)}
    for decision in ("include", "exclude", "unsure", None, "include"):
        team.says("ada", 1, decision)
        assert {viewer: team.seen(viewer) for viewer in before} == before
    seal = team.looks(lambda db: decisions.seal_for(db, [team.review], Pmid(1), "bladder"))
    assert seal
    team.act("ada", lambda act: tagging.write_note(act, Pmid(1), "bladder", "Clearly relevant.", seal))
    assert {viewer: team.seen(viewer) for viewer in before} == before
    # The one who said it does.
    assert team.seen("ada") != before["bob"]
    team.says("bob", 1, "exclude")
    for viewer in ("bob", "cyd", "eve", None):
        said = team.seen(viewer)[0][1]
        assert {(one["person"], one["decision"]) for one in said["decisions"]} == {
            ("Ada", "include"),
            ("Bob", "exclude"),
        }
        assert [note["text"] for note in said["notes"]] == ["Clearly relevant."]


def test_the_second_stage_is_blind_again(team: Team) -> None:
    for who in ("ada", "bob"):
        team.says(who, 1, "include")
    before = team.seen("bob")
    team.says("ada", 1, "exclude", "wrong drug", stage=SECOND)
    assert team.seen("bob") == before
    assert team.standing("bob").pairs == before[-1].pairs


def test_progress_says_how_many_and_no_more(team: Team) -> None:
    team.says("ada", 1, "include")
    team.says("ada", 2, "exclude")
    team.says("bob", 2, "exclude")
    team.says("cyd", 3, "include")

    def told(viewer: str) -> dict[str, tuple[Any, ...]]:
        return {
            one.name: (*one.decided.values(), *one.to_do.values()) for one in team.standing(viewer).progress
        }

    # Of a dozen, one is decided on by two; what each has decided on alone is left for the others.
    assert told("bob") == {"Ada": (2, 0, 10, 0), "Bob": (1, 0, 11, 0), "Cyd": (1, 0, 10, 0)}
    # Whoever has done nothing yet sees what there is to do.
    assert told("eve")["Eve"] == (0, 0, 11, 0)
    # Which one, and how, makes no difference to what is told.
    team.says("ada", 1, None)
    team.says("ada", 7, "exclude")
    assert told("bob") == {"Ada": (2, 0, 10, 0), "Bob": (1, 0, 11, 0), "Cyd": (1, 0, 10, 0)}


# -- one reviewer ----------------------------------------------------------------------------------


def test_where_one_decides_that_holds_at_once_and_can_be_changed(single: Team) -> None:
    single.says("ada", 1, "include")
    assert single.flow.sought == 1
    assert single.seen(None)[0][1]["decisions"]
    single.says("ada", 1, "exclude")
    assert (single.flow.sought, single.flow.excluded) == (0, 1)
    single.says("ada", 1, None)
    assert single.flow.undecided == len(PAPERS)


def test_where_one_decides_two_may_and_conflict_if_they_differ(single: Team) -> None:
    single.says("ada", 1, "include")
    single.says("bob", 1, "exclude")
    assert single.conflicts() == [(1, FIRST)]
    single.settles(1, "include")
    assert (single.conflicts(), single.flow.sought) == ([], 1)
    # It was not blind, so that there is no agreement to tell.
    assert single.standing().pairs == []


def test_where_one_decides_the_full_text_may_come_first_and_unsure_stays(single: Team) -> None:
    single.says("ada", 1, "unsure", stage=SECOND)
    assert (single.flow.sought, single.flow.unsure_full_text) == (1, 1)
    check_sums(single.flow)
    single.says("ada", 1, "exclude", "wrong drug", stage=SECOND)
    assert single.flow.reasons == {"wrong drug": 1}


# -- the question's file is changed ----------------------------------------------------------------


def test_dual_review_switched_off_opens_everything_and_keeps_the_agreement(team: Team) -> None:
    for pmid, bob in ((1, "exclude"), (2, "exclude"), (3, "include")):
        team.says("ada", pmid, "include")
        team.says("bob", pmid, bob)
    team.says("ada", 4, "exclude")
    pairs = team.standing().pairs
    team.dual(False)
    assert [one["decision"] for one in team.seen(None)[0][4]["decisions"]] == ["exclude"]
    assert team.flow.excluded == 1
    # Now they may change their minds, which does not make them have agreed.
    team.says("bob", 1, "include")
    team.says("ada", 2, None)
    assert team.standing().pairs == pairs


def test_dual_review_switched_on_asks_for_a_second_and_counts_only_what_was_blind(single: Team) -> None:
    single.says("ada", 1, "include")
    single.dual(True)
    assert (single.flow.sought, single.flow.undecided) == (0, len(PAPERS))
    single.says("bob", 1, "exclude")
    assert (single.conflicts(), single.standing().pairs) == ([(1, FIRST)], [])


def test_where_one_of_two_open_decisions_is_gone_somebody_can_decide_again(team: Team) -> None:
    team.says("ada", 1, "include")
    team.says("bob", 1, "include")
    pairs = team.standing().pairs
    team.dual(False)
    team.says("bob", 1, None)
    team.dual(True)
    assert team.flow.undecided == len(PAPERS)
    team.says("cyd", 1, "exclude")
    assert team.conflicts() == [(1, FIRST)]
    # Cyd knew what Ada had decided.
    assert team.standing().pairs == pairs


# -- numbers ---------------------------------------------------------------------------------------


def test_agreement_is_told_by_pair_and_stage(team: Team) -> None:
    for pmid in range(1, 9):
        team.says("ada", pmid, "include" if pmid < 4 else "exclude")
        team.says("bob", pmid, "include" if pmid < 3 else "unsure" if pmid == 4 else "exclude")
    team.says("ada", 9, "include")
    team.says("cyd", 9, "include")
    for who in ("bob", "ada"):
        team.says(who, 1, "include", stage=SECOND)
    found = {(pair.stage, pair.first, pair.second): pair for pair in team.standing().pairs}
    assert set(found) == {(FIRST, "Ada", "Bob"), (FIRST, "Ada", "Cyd"), (SECOND, "Ada", "Bob")}
    pair = found[FIRST, "Ada", "Bob"]
    # Rows are Ada's: not excluded, excluded.
    assert pair.excluded_or_not == agreement.of_table([[2, 1], [1, 4]], agreement.EXCLUDED_OR_NOT)
    assert pair.all_three.table == ((2, 1, 0), (0, 4, 1), (0, 0, 0))
    assert found[FIRST, "Ada", "Cyd"].excluded_or_not.kappa is None


def test_what_the_search_finds_no_longer_is_told_apart(team: Team) -> None:
    for who in ("ada", "bob"):
        team.says(who, 1, "include")
        team.says(who, 2, "exclude")
    with closing(sqlite3.connect(team.folder / "evidence.db")) as db, db:
        db.execute("update question_articles set matching = 0 where pmid = 1")
        db.execute("update question_counts set n = n - 1")
    flow = team.flow
    assert (flow.identified, flow.sought, flow.excluded, flow.gone) == (len(PAPERS) - 1, 0, 1, 1)
    assert {one.name: one.decided[FIRST] for one in team.standing().progress}["Ada"] == 1  # type: ignore[index]
    check_sums(flow)


def test_there_is_nothing_of_a_question_that_is_not_there(team: Team) -> None:
    assert team.looks(lambda db: screening.standing(db, "nowhere")) is None


steps = st.lists(
    st.tuples(
        st.sampled_from(("ada", "bob", "cyd", "eve", "dual on", "dual off")),
        st.sampled_from(tuple(PAPERS)[:3]),
        st.sampled_from(("include", "exclude", "unsure", None)),
        st.sampled_from((None, *REASONS)),
        st.sampled_from((FIRST, SECOND)),
    ),
    max_size=40,
)


@given(steps)
@settings(max_examples=25)
def test_whatever_a_team_does_the_numbers_add_up_and_blind_is_blind(
    beginning: Path, tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[Any, ...]]
) -> None:
    team = Team.begins(beginning, tmp_path_factory.mktemp("acts"))
    for who, pmid, decision, reason, stage in acts:
        try:
            if who.startswith("dual"):
                team.dual(who == "dual on")
            elif who == "eve":
                team.settles(pmid, decision or "include", reason, stage)
            else:
                team.says(who, pmid, decision, reason if decision == "exclude" else None, stage)
        except TrackerError:
            continue
        standing = team.standing(None)
        flow = standing.flow
        check_sums(flow)
        assert len(standing.conflicts) == flow.conflicts + flow.conflicts_full_text
        assert all(len(one["decisions"]) >= 2 for one in standing.conflicts)
        for pair in standing.pairs:
            assert pair.excluded_or_not.n == pair.all_three.n > 0
        if who in PEOPLE and team.review.dual and decision and not opened(team, pmid, stage):
            # Nobody else is told what was just decided.
            shown = [one for one in team.seen(None)[0][pmid]["decisions"] if one["stage"] == stage]
            assert who.capitalize() not in {one["person"] for one in shown} or not is_blind(
                team, who, pmid, stage
            )


def opened(team: Team, pmid: int, stage: str) -> bool:
    return bool(team.looks(lambda db: blind.is_unsealed(db, team.review, Pmid(pmid), stage)))


def is_blind(team: Team, who: str, pmid: int, stage: str) -> bool:
    """Whether this decision was made while two were to decide."""
    query = "select blind from annotations.decisions where pmid = ? and stage = ? and person = ?"
    row = team.looks(lambda db: db.execute(query, (pmid, stage, PEOPLE[who])).fetchone())
    return row is not None and row[0] is not None
