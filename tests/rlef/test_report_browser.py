"""The report in a real browser: clicks through filter, episode and changes, hostile programs with their controls, no
request, no error, no horizontal scroll, no accessibility violation.
"""

import http.server
import os
import shutil
import threading
import typing

import pytest

from rlef.report import page as report
from tests.rlef.report_runs import episode, hostile_run, make_run, make_vstar_run, write

playwright = pytest.importorskip(
    "playwright.sync_api", reason="no playwright; install the extra: pip install rlef[dev]"
)
AA = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21aa"]}}


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium on this machine; Debian's package is called chromium")
    flags = ["--disable-gpu", "--disable-quic", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=flags)
        yield opened
        opened.close()


@pytest.fixture
def show(browser, tmp_path):
    """A function that opens a run's report; what the page complains of or asks for is in `page.trouble`."""
    contexts = []

    def opener(run, width=1280, scheme="light", html=None):
        path = report.write_report(run, out=tmp_path / "page.html") if html is None else tmp_path / "page.html"
        if html is not None:
            path.write_text(html, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        opened = context.new_page()
        opened.trouble = []
        opened.on("console", lambda message: opened.trouble.append(message.text))
        opened.on("pageerror", lambda error: opened.trouble.append(str(error)))
        opened.on("request", lambda request: request.url == path.as_uri() or opened.trouble.append(request.url))
        opened.goto(path.as_uri())
        return opened

    yield opener
    for context in contexts:
        context.close()


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


def test_filter_episode_and_changes(show, run):
    page = show(run)
    assert page.inner_text("#found") == "84 of 84 shown"
    page.select_option("#f-kind", "repaired")
    page.select_option("#f-from", "trained")
    assert page.inner_text("#found") == "4 of 84 shown"
    page.click("#list li:nth-child(2) button")
    assert page.inner_text("#episode h3") == "held-4"
    assert page.locator(".turn").count() == 3
    endings = page.locator(".turn .badge").all_inner_texts()
    assert endings == ["runtime error", "wrong answer", "accepted", "constant answer"]
    second = page.locator(".turn").nth(1)
    assert second.locator(".code .added").inner_text().split() == ["+", "2", "#", "again"]
    second.get_by_role("button", name="program").click()
    assert second.locator(".code .added").count() == 0
    assert second.locator(".code .row").count() == 2
    assert second.locator(".code .name").first.inner_text() == "print"
    page.fill("#f-text", "no such words")
    assert page.inner_text("#episode") == "No episode fits the filters."
    page.click("#filters button[type=reset]")
    playwright.expect(page.locator("#found")).to_have_text("84 of 84 shown")
    page.click("button[data-task=held-3] >> nth=0")
    assert page.inner_text("#found") == "2 of 84 shown"
    assert page.trouble == []


def test_keys_theme_and_stages(show, run):
    page = show(run)
    first = page.inner_text("#list button[aria-current=true]")
    page.keyboard.press("j")
    assert page.locator("#list button").nth(1).get_attribute("aria-current") == "true"
    page.keyboard.press("k")
    assert page.inner_text("#list button[aria-current=true]") == first
    page.keyboard.press("/")
    page.keyboard.type("jkt")  # letters in a field are letters
    assert page.input_value("#f-text") == "jkt"
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.click("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.click("#stages button >> nth=0")
    assert page.inner_text("#stages button[aria-pressed=true]") == "warm start"
    page.click("text=The same as a table")
    assert "runtime error" in page.inner_text("#flow-table tbody")
    assert page.trouble == []


@pytest.mark.parametrize(("kind", "charts"), [("run", 9), ("evaluation", 2)])
def test_charts_are_drawn_and_described(show, run, tmp_path, kind, charts):
    if kind == "evaluation":  # of one model: nothing came before it, and nothing was trained
        run = tmp_path / "evaluation"
        run.mkdir()
        (run / "result.json").write_text('{"model": "embedded"}')
        write(run / "episodes.jsonl", [episode(f"task-{i}", ["---", "!-+", "+"][i % 3]) for i in range(9)])
    page = show(run)
    blank = "canvas => !canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(x => x)"
    canvases = page.locator("canvas")
    assert canvases.count() >= charts
    for place in range(canvases.count()):
        assert not canvases.nth(place).evaluate(blank)
        assert len(canvases.nth(place).get_attribute("aria-label")) > 20
    assert page.trouble == []


@pytest.mark.parametrize("width", [1280, 390, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_horizontal_scroll_and_accessible(show, run, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-playwright-python")
    page = show(run, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    found = axe.Axe().run(page, options=AA)
    assert found.violations_count == 0, found.generate_report()
    assert page.trouble == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (320, "dark")])
def test_a_verifiers_page(show, tmp_path, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-playwright-python")
    page = show(make_vstar_run(tmp_path / "vstar"), width, scheme)
    said = page.get_attribute("#chart-selection-0", "aria-label")
    assert "oracle (pass@k):" in said
    assert "at k 1," in said
    assert page.locator("#verifier .card").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    found = axe.Axe().run(page, options=AA)
    assert found.violations_count == 0, found.generate_report()
    assert page.trouble == []


def test_a_hostile_program_does_nothing(show, run):
    page = show(hostile_run(run))
    assert page.title().startswith("RLEF run")
    page.select_option("#f-from", "training")
    assert "<script>document.title = 'owned'</script>" in page.inner_text("#episode")
    assert page.locator("#episode script, #episode img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.trouble == []


class Listener(http.server.BaseHTTPRequestHandler):
    """A server that remembers what it was asked for."""

    asked: typing.ClassVar[list] = []

    def do_GET(self):
        self.asked.append(self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *words):
        pass


@pytest.fixture
def listener():
    Listener.asked.clear()
    with http.server.HTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def without_policy(html):
    start = html.index('<meta http-equiv="Content-Security-Policy"')
    return html[:start] + html[html.index(">", start) + 1 :]


def test_the_policy_stops_what_escaping_would_have_let_through(show, run, listener):
    """Defence in depth: markup in the page, with the policy, and without it as the control."""
    html = report.render_page([report.read_run(run)])
    image = f"<img src='http://127.0.0.1:{listener.server_port}/asked'>"
    broken = html.replace("<main>", f"<main><script>document.title = 'owned'</script>{image}", 1)
    page = show(run, html=broken)
    assert page.title().startswith("RLEF run")
    assert sum("Content Security Policy" in text for text in page.trouble) == 2
    assert Listener.asked == []
    page = show(run, html=without_policy(broken))
    assert page.title() == "owned"
    assert "/asked" in Listener.asked


def test_unescaped_json_would_run(show, run, monkeypatch):
    """The control of the JSON: written plainly, and without the policy, a program's script runs."""
    write(run / "episodes.jsonl", [episode(text="</script><script>document.title = 'owned'</script>")])
    monkeypatch.setattr(report, "as_json", lambda data: report.json.dumps(data))
    html = report.render_page([report.read_run(run)])
    assert show(run, html=without_policy(html)).title() == "owned"
