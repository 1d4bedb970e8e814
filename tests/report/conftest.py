"""The page in a real browser: one archive with hostile text in it, one page load for most tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from personaevo.archive import Archive
from personaevo.report import gather, page, write

HOSTILE = "</script><img src=x onerror='window.hacked=1'><b>{{data}}</b>\u2028\u202e&lt;"
DRAWN = "html[data-state=drawn]"


NEW_OBJECTIVE = (
    "INSERT INTO rules SELECT run, 'warmth_of_tone', 'steers', 'more', NULL, 1 FROM runs",
    "UPDATE evaluations SET objectives = map_concat(objectives, CAST(MAP {'warmth_of_tone': {'value': -0.25, 'se': 0.1, 'raw': 3}} AS "
    'MAP(VARCHAR, STRUCT("value" DOUBLE, se DOUBLE, raw DOUBLE))))',
    "UPDATE final_tables SET measures = map_concat(measures, CAST(MAP {'warmth_of_tone': {'mean': 1.5, 'low': -0.5, 'high': 2.5, 'raw': 3, "
    "'completed': 24, 'planned': 24}} AS MAP(VARCHAR, STRUCT(mean DOUBLE, low DOUBLE, high DOUBLE, raw DOUBLE, completed INTEGER, "
    "planned INTEGER))))",
)  # what a file of another registry would have stored


def plant(path: Path, *statements: str) -> None:
    """Changes rows of an archive behind its back; ``$text`` stands for the hostile text."""
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement, {"text": HOSTILE} if "$text" in statement else None)


def written(archive: Path, place: Path) -> Path:
    """The archive's page as a file."""
    with Archive.read(archive) as opened:
        write(page(gather(opened)), place)
    return place


@pytest.fixture(scope="session")
def hostile_archive(finished_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished archive with markup wherever text is stored, a failed candidate and a duplicate."""
    path = tmp_path_factory.mktemp("hostile") / "small.duckdb"
    shutil.copy(finished_archive, path)
    plant(
        path,
        "UPDATE programs SET source = source || chr(10) || '# ' || $text",
        "UPDATE personas SET description = $text, policy = $text || policy, id = id || $text",
        "UPDATE episodes SET persona = persona || $text, outcome = $text",
        "UPDATE episodes SET turns = list_transform(turns, lambda t: struct_pack(role := t.role, content := t.content || $text))",
        "UPDATE candidates SET operator = operator || '+' || $text WHERE number = 1",
        "UPDATE candidates SET state = 'failed', fault = 'program', reason = $text WHERE number = 3",
        "UPDATE candidates SET state = 'duplicate', reason = 'known' WHERE number = 4",
        "UPDATE candidates SET program = (SELECT program FROM candidates WHERE number = 1) WHERE number = 4",
        "DELETE FROM evaluations WHERE number IN (3, 4)",
        "DELETE FROM episodes WHERE number IN (3, 4)",
        "UPDATE final_tables SET program = (SELECT program FROM candidates WHERE number = 2) "
        "WHERE program NOT IN (SELECT program FROM candidates)",
        "UPDATE runs SET cells = replace(cells::VARCHAR, '\"name\":\"', '\"name\":\"<i>x</i> ')",
    )
    return path


@dataclass
class Opened:
    """A page in the browser, with what it said on the console and asked for."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, browser: Browser, file: Path, **context: object) -> Opened:
        opened = cls(browser.new_context(**context).new_page())  # type: ignore[arg-type]
        opened.page.on("console", lambda message: opened.said.append(message.text))
        opened.page.on("pageerror", lambda error: opened.said.append(str(error)))
        opened.page.on("request", lambda request: opened.asked.append(request.url))
        opened.page.goto(file.as_uri())
        opened.page.wait_for_selector(DRAWN, state="attached", timeout=60_000)
        return opened


@pytest.fixture(scope="module")  # while it is open, this thread has an event loop, which other files' tests must not find
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("chromium is not installed: the page is tested in a real browser; run 'make browser'", pytrace=False)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def report_file(hostile_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hostile archive's page."""
    return written(hostile_archive, tmp_path_factory.mktemp("page") / "small.html")


@pytest.fixture
def other_page(browser: Browser, finished_archive: Path, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Opens the page of another archive, or of the finished one with rows changed."""
    pages: list[Opened] = []

    def show(*statements: str, archive: Path = finished_archive) -> Opened:
        path = tmp_path / "other.duckdb"
        shutil.copy(archive, path)
        plant(path, *statements)
        pages.append(Opened.of(browser, written(path, tmp_path / "other.html"), viewport={"width": 1280, "height": 900}))
        return pages[-1]

    yield show
    for one in pages:
        one.page.close()


@pytest.fixture(scope="module")
def opened(browser: Browser, report_file: Path) -> Opened:
    """That page, opened once, on a wide screen in light colors."""
    return Opened.of(browser, report_file, viewport={"width": 1280, "height": 900}, color_scheme="light")


@pytest.fixture
def view(opened: Opened) -> Page:
    """The page with its controls as at the beginning."""
    opened.page.set_viewport_size({"width": 1280, "height": 900})
    opened.page.locator("#search").fill("")
    for name, value in {"show": "all", "operator": "", "sort": "rank"}.items():
        opened.page.locator(f"#{name}").select_option(value)
    return opened.page
