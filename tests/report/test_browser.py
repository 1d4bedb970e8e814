"""What a person does with the page, in headless Chromium."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from personaevo.archive import Archive
from tests.report.conftest import HOSTILE, NEW_OBJECTIVE, Opened

REACH_OUT = """async (place) => {
    const refused = [];
    document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
    new Image().src = `${place}/x`;
    await fetch(`${place}/y`).catch(() => 0);
    document.body.append(Object.assign(document.createElement("script"), { textContent: "window.hacked = 1" }));
    await new Promise((next) => setTimeout(next, 200));
    return [refused.sort().join(" "), window.hacked ?? "not run"];
}"""
TOO_WIDE = """[...document.querySelectorAll("main *")]
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll, svg, pre"))
    .map((one) => one.outerHTML.slice(0, 80))"""
OUTSIDE_OF_BARS = """[...document.querySelectorAll(".track > *")].filter((one) => {
    const own = one.getBoundingClientRect(), bar = one.parentElement.getBoundingClientRect();
    return own.left < bar.left - 3 || own.right > bar.right + 3;
}).map((one) => one.outerHTML)"""
CHARTS = ("plane", "behaviors", "progress", "front")


def test_it_opens_without_a_word_on_the_console_and_asks_for_nothing(opened: Opened, report_file: Path) -> None:
    assert opened.said == []
    assert opened.asked == [report_file.as_uri()]
    assert opened.page.locator("#state").count() == 0


def test_its_policy_stops_what_would_reach_out(browser: Browser, report_file: Path) -> None:
    page = browser.new_page()
    page.goto(report_file.as_uri())
    with socket.create_server(("127.0.0.1", 0)) as server:
        refused = page.evaluate(REACH_OUT, f"http://127.0.0.1:{server.getsockname()[1]}")
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()
    assert refused == ["connect-src img-src script-src-elem", "not run"]
    page.close()


@pytest.mark.parametrize("name", CHARTS)
def test_every_plot_is_drawn_and_says_the_same_as_a_table(view: Page, name: str) -> None:
    chart = view.locator(f"[data-chart={name}]")
    assert chart.locator(".plot svg.main-svg").count() > 0
    assert chart.locator(".scatterlayer .trace").count() > 0
    assert "The table below" in (chart.locator(".plot").get_attribute("aria-label") or "")
    assert len(chart.locator(".words").inner_text()) > 40
    details = chart.locator("details").first
    details.locator("summary").click()
    expect(details.locator("tbody tr").first).to_be_visible()


def test_operators_of_few_candidates_are_a_table(view: Page) -> None:
    chart = view.locator("[data-chart=operators]")
    assert chart.locator(".plot").count() == 0
    chart.locator("summary").click()
    assert HOSTILE in chart.locator("table").inner_text().replace("\\u2028", "\u2028").replace("\\u202e", "\u202e")


def test_boxes_of_the_key_hide_and_show(view: Page) -> None:
    chart = view.locator("[data-chart=plane]")
    before = chart.locator(".scatterlayer .trace").count()
    box = chart.get_by_label("people", exact=True)
    box.focus()
    box.press("Space")
    expect(chart.locator(".scatterlayer .trace")).to_have_count(before - 1)
    box.press("Space")
    expect(chart.locator(".scatterlayer .trace")).to_have_count(before)


def test_another_program_can_be_laid_into_the_plane(view: Page) -> None:
    last = view.locator("[data-chart=plane] .scatterlayer .trace").last.locator("path.point")
    expect(last).to_have_count(0)
    view.locator("#plane-program").select_option("2")
    expect(last).to_have_count(24)  # its dialogues: 4 tasks, 3 personas, 2 of each
    view.locator("#plane-program").select_option("")


def test_the_table_says_who_is_best(view: Page) -> None:
    rows = view.locator("#final-table tbody th").all_inner_texts()
    assert rows[:2] == ["people", "persona-free simulator"]
    assert view.locator("#headline").inner_text().startswith("The best program scores ")
    assert view.locator("#versus tbody th").all_inner_texts() == ["score", "human likeness", "coverage", "consistency"]
    assert "average person" in view.locator("#versus tbody td:last-child").first.inner_text() + view.locator("#versus h2").inner_text()
    assert "auditor's AUC" in view.locator("#final-table thead").inner_text()
    assert "persona-free simulator" in view.locator("#legend").inner_text()
    view.locator("#comparisons summary").click()
    view.locator("#comparisons tbody tr").first.wait_for()  # it is filled when it is opened
    assert view.locator("#comparisons tbody tr").count() == len(rows) - 1
    assert "embedded engine" in view.locator("#players").inner_text()
    assert "no model was called" in view.locator("#costs-table").inner_text()


def test_a_tile_leads_to_its_elite_and_to_a_dialogue_of_that_kind(view: Page) -> None:
    tile = view.locator(".tile:not(.empty)").first
    cell = (tile.get_attribute("aria-label") or "").split(":")[0]
    tile.click()
    badges = view.locator("#detail .badges").inner_text()
    assert f"elite of {cell}" in badges
    assert f"behaves like people in {cell} " in view.locator("#detail").inner_text()
    assert view.evaluate("document.activeElement.id") == "detail"


def test_the_map_is_walked_with_arrow_keys(view: Page) -> None:
    tiles = view.locator(".tile")
    tiles.first.focus()
    view.keyboard.press("ArrowRight")
    assert view.evaluate("[...document.querySelectorAll('.tile')].indexOf(document.activeElement)") == 1
    view.keyboard.press("End")
    assert view.evaluate("[...document.querySelectorAll('.tile')].indexOf(document.activeElement)") == tiles.count() - 1
    assert view.locator(".tile[tabindex='0']").count() == 1
    for _ in range(tiles.count()):
        if view.evaluate("!document.activeElement.classList.contains('empty')"):
            break
        view.keyboard.press("ArrowLeft")
    view.keyboard.press("Enter")
    assert view.evaluate("document.activeElement.id") == "detail"
    assert view.locator(".tile.empty").count() + view.locator(".tile:not(.empty)").count() == tiles.count()


def test_search_box_looks_through_ids_operators_and_sources(view: Page) -> None:
    entries, search = view.locator("#list [role=option]"), view.locator("#search")
    assert entries.count() == 5
    program = view.evaluate("document.querySelector('#program-2 .id').textContent")
    for wanted, count in ((program, 1), ("SEED", 1), ("def generate", 5), ("nothing has this", 0)):
        search.fill(wanted)
        expect(entries).to_have_count(count)
        assert view.locator("#count").inner_text() == f"{count} of 5 candidates"


def test_filters(view: Page) -> None:
    entries = view.locator("#list [role=option]")
    for state, count in (("failed", 1), ("duplicate", 1), ("evaluated", 3), ("dialogues", 3)):
        view.locator("#show").select_option(state)
        expect(entries).to_have_count(count)
    view.locator("#show").select_option("all")
    view.locator("#operator").select_option("seed")
    expect(entries).to_have_count(1)
    view.locator("#operator").select_option("")
    view.locator("#sort").select_option("number")
    assert view.locator("#list .number").all_inner_texts() == ["#0", "#1", "#2", "#3", "#4"]


def test_the_list_is_walked_with_keys(view: Page) -> None:
    view.locator("#sort").select_option("number")
    view.locator("#program-0").click()
    view.locator("#list").focus()
    for key, number in (("ArrowDown", 1), ("ArrowDown", 2), ("ArrowUp", 1), ("End", 4), ("Home", 0)):
        view.keyboard.press(key)
        assert view.locator("#list [aria-selected=true]").get_attribute("id") == f"program-{number}"
        assert view.locator("#list").get_attribute("aria-activedescendant") == f"program-{number}"
        assert f"candidate {number}" in view.locator("#detail h3").inner_text()
    view.keyboard.press("Enter")
    assert view.evaluate("document.activeElement.id") == "detail"


def test_a_program_is_shown_with_source_lineage_personas_and_dialogues(view: Page) -> None:
    view.locator("#program-2").click()
    detail = view.locator("#detail")
    assert {"score", "human likeness", "coverage", "task preservation"} <= set(detail.locator("tbody th").all_inner_texts())
    assert "def generate(task, n, rng" in detail.locator("pre.source").inner_text()
    assert detail.locator("pre.source .k").count() > 3
    assert detail.locator(".lineage li").count() >= 2
    assert detail.locator(".turn.user").count() > 0
    assert detail.locator(".persona").inner_text().startswith("Persona p")
    assert "people" in detail.locator(".remarks").first.inner_text()
    picker, first = detail.locator(".picker select"), detail.locator(".turns").first.inner_text()
    assert picker.locator("option").count() == 12
    assert "most human" in picker.locator("option").first.inner_text()
    assert detail.locator(".dialogue h5").all_inner_texts() == ["Dialogue 1 of 2", "Dialogue 2 of 2"]
    first_place, second_place = (detail.locator(".dialogue").nth(at).bounding_box() for at in (0, 1))
    assert first_place is not None
    assert second_place is not None
    assert (first_place["y"], first_place["x"] + first_place["width"]) <= (second_place["y"], second_place["x"])  # beside each other
    detail.get_by_role("button", name="Less human").click()
    assert picker.input_value() == "1"
    assert detail.locator(".turns").first.inner_text() != first
    detail.locator(".lineage button").first.click()
    assert "candidate 0" in detail.locator("h3").inner_text()


def test_an_objective_that_nobody_knew_of_has_a_column_a_row_and_an_axis(other_page: Callable[..., Opened]) -> None:
    opened = other_page(*NEW_OBJECTIVE)
    page, detail = opened.page, opened.page.locator("#detail")
    assert opened.said == []
    assert "warmth of tone" in page.locator("#final-table thead").inner_text()
    assert "1.50" in page.locator("#final-table tr.best").inner_text()
    assert "warmth of tone" in page.locator("#legend").inner_text()
    row = detail.locator("tr", has=page.get_by_role("rowheader", name="warmth of tone", exact=True))
    assert "−0.25" in row.inner_text()
    page.locator("#sort").select_option("by warmth_of_tone")
    across = page.locator("[data-chart=front] select").first
    assert across.locator("option").all_inner_texts() == ["human likeness", "coverage", "consistency", "warmth of tone"]
    across.select_option("3")
    expect(page.locator("[data-chart=front] .xtitle")).to_have_text("warmth of tone")
    assert page.locator("#final-table .track").count() > 20
    assert page.evaluate(OUTSIDE_OF_BARS) == []


def test_dialogues_outside_all_cells_say_so(other_page: Callable[..., Opened]) -> None:
    page = other_page("UPDATE episodes SET cell = NULL").page
    assert page.locator("#detail .dialogue").first.inner_text().count("outside all cells") == 1
    assert "lie outside all cells" in page.locator("#cells-words").inner_text()


def test_an_archive_of_the_first_scoring_opens(other_page: Callable[..., Opened], tmp_path: Path) -> None:
    old = tmp_path / "old.duckdb"
    old.write_bytes((Path(__file__).resolve().parents[1] / "data" / "schema1.duckdb").read_bytes())
    with Archive.create_or_open(old):
        pass  # brings it to the present schema
    opened = other_page(archive=old)
    assert opened.said == []
    assert opened.page.locator("#scoring-note").inner_text().startswith("Scored by scoring 1: its numbers are not comparable")
    assert opened.page.locator("#versus").inner_text() == ""
    assert opened.page.locator("#detail .dialogue h5").all_inner_texts() == ["Dialogue"]


def test_a_search_that_has_not_ended_opens(other_page: Callable[..., Opened]) -> None:
    opened = other_page("DELETE FROM final_tables", "DELETE FROM comparisons", "DELETE FROM finals")
    assert opened.said == []
    assert opened.page.locator("#headline").inner_text().startswith("The search has not ended")
    assert opened.page.locator("#final-table").inner_text() == ""


def test_failures_and_duplicates_say_why(view: Page) -> None:
    view.locator("#program-3").click()
    assert view.locator("#detail .note").inner_text().startswith("Failed: </script><img")
    view.locator("#program-4").click()
    view.locator("#detail").get_by_role("button", name="candidate 1").click()
    assert "candidate 1" in view.locator("#detail h3").inner_text()


def test_stored_text_is_only_ever_text(view: Page) -> None:
    view.locator("#program-2").click()
    shown = view.locator("#detail").text_content() or ""
    assert shown.count(HOSTILE) > 5  # id, description and policy of the persona, turns, outcome, source
    for tag in ("img", "i:not([style])", "main script", "[onerror]"):
        assert view.locator(tag).count() == 0
    assert "<i>x</i>" in view.locator(".tile").first.inner_text()
    assert view.evaluate("window.hacked") is None


def test_keyboard_from_the_top(view: Page) -> None:
    view.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    view.keyboard.press("Tab")
    first = view.evaluate("document.activeElement.className")
    if first != "skip":  # the focus goes on from where it was last: begin at the top of the document
        view.locator(".skip").focus()
    assert view.locator(".skip").bounding_box()["x"] >= 0  # type: ignore[index]
    assert view.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    view.keyboard.press("Enter")
    assert view.evaluate("document.activeElement.id") == "main"


def test_colors_follow_the_system_and_the_button(view: Page, tmp_path: Path) -> None:
    page_color = "getComputedStyle(document.body).backgroundColor"
    light = view.evaluate(page_color)
    view.screenshot(path=tmp_path / "light-1280.png", full_page=True)
    view.locator("#theme").click()
    dark = view.evaluate(page_color)
    view.screenshot(path=tmp_path / "dark-1280.png", full_page=True)
    assert brightness(light) > 200
    assert brightness(dark) < 60
    ink = view.evaluate("getComputedStyle(document.body).color")
    expect(view.locator(".plot .xtick text").first).to_have_css("fill", ink)  # plots are drawn anew
    view.emulate_media(media="print")
    assert brightness(view.evaluate(page_color)) == 255
    expect(view.locator("#list")).to_be_hidden()
    view.emulate_media(media="screen")
    view.locator("#theme").click()
    for scheme, color in (("light", light), ("dark", dark), ("light", light)):
        view.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        expect(view.locator("body")).to_have_css("background-color", color)


def brightness(color: str) -> int:
    """The mean of red, green and blue of "rgb(r, g, b)"."""
    return sum(int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(",")) // 3


@pytest.mark.parametrize("width", [1280, 360])
def test_no_width_makes_the_page_scroll_sideways(view: Page, width: int, tmp_path: Path) -> None:
    view.set_viewport_size({"width": width, "height": 800})
    view.wait_for_timeout(300)  # plots follow the width
    assert view.evaluate("document.documentElement.scrollWidth") == width
    assert view.evaluate(TOO_WIDE) == []
    view.screenshot(path=tmp_path / f"light-{width}.png", full_page=True)
    assert (tmp_path / f"light-{width}.png").stat().st_size > 50_000
