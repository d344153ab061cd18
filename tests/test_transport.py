"""The line to E-utilities keeps the pace, the time and the secret, and believes no answer unseen."""

import contextlib
import gzip
import logging
import os
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from Bio import Entrez

from tests.conftest import program
from tracker.errors import ServiceError, UsageError
from tracker.pubmed import pace, transport
from tracker.pubmed.failures import retry_after
from tracker.pubmed.pace import Pace, private_folder
from tracker.pubmed.transport import Backoff, Transport, UnusableAnswer
from tracker.settings import Settings

KEY = "0123456789abcdefSECRET"
GOOD = b'<?xml version="1.0"?>\n<PubmedArticleSet><PubmedArticle/></PubmedArticleSet>\n'
QUICK = Backoff(first=0.001, most=0.002)


# -- a server that answers by a script ---------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Scripted"

    def do_POST(self):
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.seen.append((time.monotonic(), self.path, dict(self.headers), parse_qs(form)))
        script = self.server.script
        act = script.pop(0) if len(script) > 1 else script[0]
        act(self)

    do_GET = do_POST

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Scripted(ThreadingHTTPServer):
    """Does one act of the script a request, the last one for ever; keeps what it saw."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = [says(GOOD)]
        self.seen = []
        self.over = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/entrez/eutils/"

    def handle_error(self, *_):
        pass


@contextlib.contextmanager
def running(server):
    threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True).start()
    try:
        yield server
    finally:
        getattr(server, "over", threading.Event()).set()
        server.shutdown()
        server.server_close()


def says(body, status=200, **headers):
    return lambda handler: handler.answer(status, body, **headers)


def hangs(handler):
    handler.server.over.wait(5)
    handler.close_connection = True


def resets(handler):
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def breaks_off(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(GOOD) + 100))
    handler.end_headers()
    handler.wfile.write(GOOD)
    handler.close_connection = True


def breaks_off_in_a_chunk(handler):
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"%x\r\n" % len(GOOD) + GOOD)
    handler.close_connection = True


def pauses_for_ever(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(GOOD)))
    handler.end_headers()
    handler.wfile.write(GOOD[:20])
    hangs(handler)


def drips(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(GOOD)))
    handler.end_headers()
    _drip(handler, GOOD)


def drips_its_headers(handler):
    _drip(handler, b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 100)


def _drip(handler, data):
    with contextlib.suppress(OSError):
        for byte in data:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            if handler.server.over.wait(0.05):
                break
    handler.close_connection = True


ERROR = b'<?xml version="1.0"?><eFetchResult><ERROR>%s</ERROR></eFetchResult>'
BACKEND = b'{"header":{},"esearchresult":{"ERROR":"Search Backend failed: Exception:\n\'x\' is\tbusy"}}\n'

# What may pass, each with what the message says when it does not.
PASSING = {
    "429": (says(b'{"error":"API rate limit exceeded","count":"11"}', 429), "HTTP 429 (too many requests)"),
    "500": (says(b"oops", 500), "HTTP 500 (internal server error)"),
    "502": (says(b"<html>bad gateway</html>", 502), "HTTP 502 (bad gateway)"),
    "503": (says(b"", 503), "HTTP 503 (service unavailable)"),
    "504": (says(b"", 504), "HTTP 504 (gateway timeout)"),
    "reset": (resets, "the connection was refused or lost"),
    "hang": (hangs, "no answer within 0.5 s"),
    "pause": (pauses_for_ever, "an answer that paused for 0.5 s"),
    "drip": (drips, "not complete after 1 s"),
    "dripping headers": (drips_its_headers, "not complete after 1 s"),
    "shorter than its Content-Length": (breaks_off, "an answer that broke off"),
    "chunks without an end": (breaks_off_in_a_chunk, "an answer that broke off"),
    "cut with the right length": (says(GOOD[:-9]), "an answer that was cut short"),
    "bad gzip": (says(gzip.compress(GOOD)[:-9] + b"x" * 9, Content_Encoding="gzip"), "broke off"),
    "empty": (says(b""), "an empty answer"),
    "blank": (says(b" \n "), "an empty answer"),
    "HTML page": (says(b"<!DOCTYPE html>\n<html><body>Maintenance</body></html>"), "an HTML page"),
    "ERROR element": (says(ERROR % b"Unable to obtain query #1"), '"Unable to obtain query #1"'),
    "JSON error": (says(b'{"error":"error forwarding request"}'), '"error forwarding request"'),
    "JSON with raw control characters": (says(BACKEND), "Search Backend failed: Exception: 'x' is busy"),
    "broken JSON": (says(b'{"error": "unfin'), "broken JSON"),
    "plain text": (says(b"Search Backend failed: timeout\n"), '"Search Backend failed: timeout"'),
    "another document": (says(b"<eSearchResult/>"), "something other than the XML asked for"),
    "entities": (says(b'<!DOCTYPE a [<!ENTITY x "y">]>' + GOOD[22:]), "declares XML entities"),
}

# What stays wrong however often one asks.
FINAL = {
    "400": (says(b"", 400), "HTTP 400 (bad request)"),
    "403": (says(b"<html>no</html>", 403), "HTTP 403 (forbidden)"),
    "414": (says(b"<html>long</html>", 414), "HTTP 414"),
    "redirect": (says(b"", 302, Location="https://login.example/"), "a redirect to another address"),
    "empty term": (says(ERROR % b"Empty term and query_key"), '"Empty term and query_key"'),
    "past the limit": (says(b"'retstart' cannot be larger than 9998.", 400), "cannot be larger than 9998"),
    "syntax": (says(ERROR % b"Syntax error near &quot;AND&quot;"), 'Syntax error near "AND"'),
}


@pytest.fixture(autouse=True)
def own_surroundings(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def unpaced(monkeypatch):
    monkeypatch.setattr(pace, "MARGIN", 0.0)


@pytest.fixture
def server():
    with running(Scripted()) as server:
        yield server


def settings(url, **changes):
    return Settings(**{"email": "me@example.org", "eutils_url": url, "timeout": 0.5, **changes})


def fetch(url, *, on_wait=None, backoff=QUICK, **changes):
    with Transport(settings(url, **changes), on_wait=on_wait, backoff=backoff) as line:
        return line.ask(Entrez.efetch, db="pubmed", id=["1", "2"], retmode="xml")


# -- answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_is_asked_again_and_costs_nothing(server, unpaced, fault):
    server.script = [PASSING[fault][0], says(GOOD)]
    assert fetch(server.url) == GOOD
    assert len(server.seen) == 2


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_stays_is_given_up_with_a_plain_sentence(server, unpaced, fault):
    server.script, words = [PASSING[fault][0]], PASSING[fault][1]
    # Patience is 2.5 time-outs: on a busy machine one try may take the whole of a short one.
    patience = {} if words.endswith(" s") else {"timeout": 10}
    with pytest.raises(ServiceError) as caught:
        fetch(server.url, **patience)
    message = str(caught.value)
    assert words in message
    assert message.startswith(
        f"PubMed (127.0.0.1:{server.server_port}) did not answer a fetch of records (efetch)"
    )
    assert f"after {len(server.seen)} tries. Nothing stored is lost; try again later." in message
    assert "\n" not in message
    assert 2 <= len(server.seen) <= 5


@pytest.mark.parametrize("fault", FINAL)
def test_a_fault_of_the_request_is_not_asked_again(server, unpaced, fault):
    server.script, words = [FINAL[fault][0]], FINAL[fault][1]
    with pytest.raises(ServiceError) as caught:
        fetch(server.url)
    assert words in str(caught.value)
    assert len(server.seen) == 1


def test_nobody_listening_is_a_plain_sentence(unpaced):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        with pytest.raises(ServiceError, match="the connection was refused or lost, after 5 tries"):
            fetch(url)


def test_an_unknown_host_is_a_plain_sentence(unpaced):
    with pytest.raises(ServiceError, match=r"its address was not found, after .* tries. Is the network up"):
        fetch("http://nowhere.invalid/")


def test_a_service_that_answered_is_told_from_one_that_did_not(server, unpaced):
    server.script = [says(b"", 500)]
    with pytest.raises(UnusableAnswer) as caught:
        fetch(server.url)
    assert caught.value.reason == "HTTP 500 (internal server error)"
    server.script = [says(b"", 503)]
    with pytest.raises(ServiceError) as outage:
        fetch(server.url)
    assert not isinstance(outage.value, UnusableAnswer)


def test_two_hanging_requests_are_survived_and_a_third_ends_it(server, unpaced):
    server.script = [hangs, hangs, says(GOOD)]
    assert fetch(server.url) == GOOD
    asked = len(server.seen)
    server.script = [hangs]
    with pytest.raises(ServiceError, match=r"no answer within 0.5 s, after [23] tries"):
        fetch(server.url)
    # With the usual 45 s, three tries are under three minutes.
    assert len(server.seen) - asked <= 3


def test_an_answer_past_the_size_cap_is_refused_also_when_it_was_small_on_the_wire(
    server, unpaced, monkeypatch
):
    monkeypatch.setattr(transport, "MAX_BODY", 100_000)
    server.script = [says(gzip.compress(b" " * 1_000_000), Content_Encoding="gzip")]
    with pytest.raises(ServiceError, match="more than 100,000 bytes"):
        fetch(server.url)
    assert len(server.seen) == 1


def test_one_connection_carries_many_requests_gzipped(server, unpaced):
    ports = set()
    server.script = [says(gzip.compress(GOOD), Content_Encoding="gzip")]
    real = server.verify_request
    server.verify_request = lambda request, address: ports.add(address[1]) or real(request, address)
    with Transport(settings(server.url)) as line:
        for _ in range(5):
            assert line.ask(Entrez.efetch, db="pubmed", id="1") == GOOD
    assert len(ports) == 1
    assert line.requests == 5
    assert line.received == 5 * len(GOOD)


# -- who we are --------------------------------------------------------------------------------


def test_every_request_says_who_asks(server, unpaced):
    server.script = [says(b"", 503), says(GOOD)]
    fetch(server.url, api_key=KEY)
    for _, path, headers, form in server.seen:
        assert path == "/entrez/eutils/efetch.fcgi"
        assert form["tool"] == ["evidence-tracker"]
        assert form["email"] == ["me@example.org"]
        assert form["api_key"] == [KEY]
        assert form["id"] == ["1,2"]
        assert headers["User-Agent"].startswith("evidence-tracker/")
        assert headers["User-Agent"].endswith("(+mailto:me@example.org)")


def test_without_an_email_address_nothing_is_asked(server):
    with pytest.raises(UsageError, match="TRACKER_EMAIL is not set"):
        fetch(server.url, email=None)
    assert server.seen == []


def test_a_key_that_ncbi_refuses_is_a_usage_error_that_does_not_show_it(server, unpaced):
    refusal = f'{{"error":"API key invalid","api-key":"{KEY}","type":"client","status":"unknown"}}'
    for status in (400, 200):
        server.script = [says(refusal.encode(), status)]
        with pytest.raises(UsageError, match="NCBI_API_KEY: NCBI does not accept this key") as caught:
            fetch(server.url, api_key=KEY)
        assert caught.value.exit_code == 2
        assert KEY not in everything_said_by(caught.value)
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    "fault", ["503", "hang", "reset", "JSON error", "400", "redirect", "echo", "slow echo"]
)
def test_the_key_is_in_no_message_log_address_or_repr(server, unpaced, caplog, fault):
    # The second key is where the message is cut short.
    echo = f"the api_key {KEY} was used {'x' * 160} {KEY}\n".encode()
    echoes = {"echo": (says(echo, 400), ""), "slow echo": (says(echo), "")}
    server.script = [{**PASSING, **FINAL, **echoes}[fault][0]]
    caplog.set_level(logging.DEBUG)
    waits = []
    line = Transport(
        settings(server.url, api_key=KEY), on_wait=lambda *wait: waits.append(wait), backoff=QUICK
    )
    with line, pytest.raises(ServiceError) as caught:
        line.ask(Entrez.efetch, db="pubmed", id="1")
    said = everything_said_by(caught.value) + caplog.text + repr(line) + repr(waits)
    assert KEY[:6] not in said
    assert not any(KEY in path for _, path, _, _ in server.seen)
    assert all(form["api_key"] == [KEY] for *_, form in server.seen)


def everything_said_by(error):
    """The error, its traceback, and whatever it is chained to."""
    parts = []
    while error:
        parts += [str(error), repr(error), *traceback.format_exception(error)]
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


def test_biopython_is_as_before_after_each_call(server, unpaced):
    before = Entrez.urlopen, Entrez.max_tries
    for script in ([says(GOOD)], [says(b"", 400)]):
        server.script = script
        with contextlib.suppress(ServiceError):
            fetch(server.url)
        assert (Entrez.urlopen, Entrez.max_tries) == before


# -- waiting -----------------------------------------------------------------------------------


def test_pauses_grow_from_half_a_second_to_ten_and_are_told(monkeypatch, caplog, server, unpaced):
    monkeypatch.setattr(time, "sleep", lambda _: None)
    caplog.set_level(logging.INFO, "tracker.pubmed")
    server.script, waits = [says(b"", 503)], []
    with pytest.raises(ServiceError):
        fetch(server.url, on_wait=lambda *wait: waits.append(wait), backoff=Backoff(tries=8), timeout=45)
    seconds = [wait[0] for wait in waits]
    for pause, least in zip(seconds, (0.5, 1, 2, 4, 8, 10, 10), strict=True):
        assert least <= pause <= least + 0.5
    assert {reason for _, reason in waits} == {"HTTP 503 (service unavailable)"}
    assert "PubMed: HTTP 503 (service unavailable); asking again in" in caplog.text


def test_retry_after_is_honoured(server, unpaced):
    server.script = [says(b"", 429, Retry_After="1"), says(GOOD)]
    assert fetch(server.url) == GOOD
    assert server.seen[1][0] - server.seen[0][0] >= 1


def test_retry_after_is_read_as_seconds_or_a_date_and_capped():
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    assert retry_after("7") == 7
    assert 18 < retry_after(soon) <= 20
    assert retry_after(past) == 0
    assert retry_after("86400") == 60
    assert [retry_after(odd) for odd in (None, "", "nan", "soon", "-3")] == [None] * 5


# -- the pace ----------------------------------------------------------------------------------

ASK_OFTEN = """
import sys
from Bio import Entrez
from tracker.pubmed.transport import Transport
from tracker.settings import Settings
with Transport(Settings(email="me@example.org", eutils_url=sys.argv[1])) as line:
    for _ in range(4):
        line.ask(Entrez.efetch, db="pubmed", id="1")
"""


def test_two_processes_together_keep_to_three_requests_in_any_second(server, tmp_path):
    command = [sys.executable, "-c", ASK_OFTEN, server.url]
    both = [subprocess.Popen(command, env={**os.environ, "TMPDIR": str(tmp_path)}) for _ in range(2)]
    assert [process.wait(30) for process in both] == [0, 0]
    times = sorted(seen[0] for seen in server.seen)
    assert len(times) == 8
    assert all(fourth - first > 1 for first, fourth in zip(times, times[3:], strict=False))
    assert times[-1] - times[0] < 4


def test_retries_keep_the_pace_too(server):
    server.script = [says(b"", 503)]
    with pytest.raises(ServiceError):
        fetch(server.url, api_key=KEY, timeout=5)
    times = [seen[0] for seen in server.seen]
    assert len(times) == 5
    # From first to last, as the server may be late to see any one of them.
    assert times[-1] - times[0] > 0.4


@pytest.mark.parametrize("mark", ["1e15", "inf", "nan", "", "half a num"])
def test_a_mark_of_a_clock_that_read_more_or_of_no_clock_stalls_nobody(mark):
    pace = Pace("127.0.0.1:9", 3)
    pace.file.write_text(mark)
    started = time.monotonic()
    pace.wait()
    pace.wait()
    assert 0.3 < time.monotonic() - started < 1


def test_hosts_do_not_share_a_pace():
    assert Pace("127.0.0.1:1", 3).file != Pace("127.0.0.1:2", 3).file
    assert Pace("[::1]:1", 3).file.parent == private_folder()


def test_the_pace_folder_is_ours_alone_or_refused(tmp_path):
    folder = private_folder()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    with pytest.raises(UsageError, match="does not belong to you alone"):
        private_folder()
    folder.rmdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    folder.symlink_to(elsewhere)
    with pytest.raises(UsageError, match="does not belong to you alone"):
        private_folder()
    folder.unlink()
    folder.write_text("a file in its place")
    with pytest.raises(UsageError, match="Set TMPDIR"):
        private_folder()


# -- a hospital's network ----------------------------------------------------------------------


class ConnectProxy(socketserver.ThreadingTCPServer):
    """Lets CONNECT through to one port here, whatever host was asked for; or refuses with a status."""

    daemon_threads = True

    def __init__(self, port, refusal=None):
        super().__init__(("127.0.0.1", 0), ConnectHandler)
        self.port, self.refusal, self.asked = port, refusal, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class ConnectHandler(socketserver.StreamRequestHandler):
    def handle(self):
        self.server.asked.append(self.rfile.readline().decode().rpartition(" ")[0])
        while self.rfile.readline().strip():
            pass
        if self.server.refusal:
            self.wfile.write(f"HTTP/1.1 {self.server.refusal}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        with socket.create_connection(("127.0.0.1", self.server.port)) as far:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=pump, args=(far, self.connection))
            back.start()
            pump(self.connection, far)
            back.join()


def pump(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    program("openssl")
    folder = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=eutils.test"
    command += " -addext subjectAltName=DNS:eutils.test,IP:127.0.0.1 -keyout key.pem -out cert.pem"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def secure_server(certificate):
    server = Scripted()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with running(server):
        yield server


def test_a_proxy_that_tunnels_and_a_certificate_of_the_house_both_work(
    unpaced, secure_server, certificate, monkeypatch
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))
    with running(ConnectProxy(secure_server.server_port)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert fetch("https://eutils.test/entrez/eutils/", timeout=5) == GOOD
    assert proxy.asked == ["CONNECT eutils.test:443"]
    assert secure_server.seen[0][1] == "/entrez/eutils/efetch.fcgi"


def test_a_plain_proxy_works(unpaced, server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.server_port}")
    assert fetch("http://eutils.test/entrez/eutils/") == GOOD
    assert server.seen[0][1] == "http://eutils.test/entrez/eutils/efetch.fcgi"


def test_loopback_is_reached_directly_whatever_the_proxy(unpaced, server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert fetch(server.url) == GOOD


def test_no_proxy_is_honoured(unpaced, server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("NO_PROXY", "eutils.invalid")
    with pytest.raises(ServiceError, match="its address was not found"):
        fetch("http://eutils.invalid/")
    assert server.seen == []


def test_a_certificate_of_nobody_known_is_one_line_that_names_the_variable(unpaced, secure_server):
    url = f"https://127.0.0.1:{secure_server.server_port}/"
    with pytest.raises(ServiceError, match=r"its certificate could not be verified. .*REQUESTS_CA_BUNDLE"):
        fetch(url, timeout=5)


def test_a_certificate_file_that_is_not_there_is_one_line_that_names_the_variable(
    unpaced, secure_server, monkeypatch
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/cert.pem")
    with pytest.raises(UsageError, match="REQUESTS_CA_BUNDLE: no such file"):
        fetch(f"https://127.0.0.1:{secure_server.server_port}/", timeout=5)


PROXY_FAULTS = {
    "refuses": ("403 Forbidden", "the proxy could not be used, after 5 tries. Check HTTPS_PROXY"),
    "wants a password": (
        "407 Proxy Authentication Required",
        r"the proxy asks for a name and password\. Put them into HTTPS_PROXY",
    ),
}


@pytest.mark.parametrize("fault", PROXY_FAULTS)
def test_a_proxy_that_does_not_let_us_through_is_one_line_that_names_the_variable(
    unpaced, monkeypatch, fault
):
    refusal, words = PROXY_FAULTS[fault]
    with running(ConnectProxy(9, refusal)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//someone:sesame@"))
        with pytest.raises(ServiceError, match=words) as caught:
            fetch("https://eutils.test/", timeout=5)
    assert "sesame" not in everything_said_by(caught.value)


def test_a_proxy_that_is_not_there_or_is_no_address_is_one_line_that_names_the_variable(unpaced, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(ServiceError, match=r"the proxy could not be used, after 5 tries. Check HTTPS_PROXY"):
        fetch("https://eutils.test/", timeout=5)
    monkeypatch.setenv("HTTPS_PROXY", "gopher://127.0.0.1:port")
    with pytest.raises(UsageError, match="Check HTTPS_PROXY"):
        fetch("https://eutils.test/")


def test_a_plain_proxy_that_wants_a_password_says_so(unpaced, server, monkeypatch):
    server.script = [says(b"<html>who?</html>", 407)]
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.server_port}")
    with pytest.raises(ServiceError, match="the proxy asks for a name and password"):
        fetch("http://eutils.test/")
    assert len(server.seen) == 1


def test_where_the_temporary_directory_is_missing_it_is_said(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(Path("/nowhere/at/all")))
    with pytest.raises(UsageError, match="Set TMPDIR"):
        Transport(settings("http://127.0.0.1:9/"))
