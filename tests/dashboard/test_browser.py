"""The dashboard in a real browser: in, around, down to one request, and out again."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.conftest import Looker

PANELS = ["account", "quality", "cost", "money", "speed", "split", "tokens", "cache", "entries", "routing", "errors", "notable"]
_PAINTED = """(canvas) => {
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    for (let at = 3; at < pixels.length; at += 4) if (pixels[at]) return true;
    return false;
}"""


def test_a_wrong_key_is_told_so_and_a_right_one_gets_in(look: Looker) -> None:
    look.open()
    page = look.page
    page.get_by_label("Key", exact=True).fill("fk-wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not known here")
    assert look.faults == [fault for fault in look.faults if "401" in fault]  # the browser's own word on the refusal
    look.faults.clear()
    page.get_by_label("Key", exact=True).fill(look.product.keys["admin"])
    page.get_by_label("Key", exact=True).press("Enter")
    look.settled()
    assert page.locator(".panel").evaluate_all("panels => panels.map(panel => panel.dataset.panel)") == PANELS
    assert page.evaluate("document.cookie") == ""


def test_the_first_screen_is_the_account_and_under_it_the_quality(look: Looker) -> None:
    look.sign_in()
    before, after = look.figure("You would have paid"), look.figure("You paid")
    assert before.startswith("$")
    assert float(before[1:]) > float(after[1:]) > 0
    account, quality = (look.page.locator(f"[data-panel={name}]").bounding_box() for name in ("account", "quality"))
    assert account is not None
    assert quality is not None
    assert account["y"] < quality["y"] < 800
    expect(look.page.locator("[data-panel=quality]")).to_contain_text("95 % interval")


def test_every_chart_is_painted_and_said_in_words(look: Looker) -> None:
    look.sign_in()
    canvases = look.page.locator(".canvas canvas")
    assert canvases.count() >= 10
    assert all(canvases.nth(at).evaluate(_PAINTED) for at in range(canvases.count()))
    labels = look.page.locator(".canvas").evaluate_all("boxes => boxes.map(box => box.getAttribute('aria-label'))")
    assert all(len(label) > 20 for label in labels)


def test_an_entry_of_the_cache_leads_to_why_it_was_served(look: Looker) -> None:
    look.sign_in()
    panel = look.page.locator("[data-panel=entries]")
    expect(panel).to_contain_text("Most served")
    panel.locator("tbody a").first.click()
    look.page.wait_for_selector("[data-panel=request]")
    expect(look.page.locator("h2")).to_contain_text("ans_")
    expect(look.page.locator("[data-panel=request]")).to_contain_text("Why it was a hit")
    expect(look.page.locator("[data-panel=request]")).to_contain_text("not in the store any more")
    look.page.locator("[data-panel=request] tbody a").first.click()
    expect(look.page.locator("h2")).to_contain_text("req_")


def test_filters_live_in_the_address(look: Looker) -> None:
    look.sign_in()
    page, all_requests = look.page, look.figure("Requests")
    page.get_by_label("Endpoint", exact=True).select_option("faq")
    expect(page.locator("[data-panel=cost] tbody tr")).to_have_count(1)
    look.settled()
    one = look.figure("Requests")
    assert int(one.replace(",", "")) < int(all_requests.replace(",", ""))
    assert page.url.endswith("?endpoint=faq")
    page.get_by_label("Tenant", exact=True).select_option("acme")
    page.wait_for_url("**/dashboard?endpoint=faq&tenant=acme")
    page.reload()
    look.settled()
    assert page.get_by_label("Tenant", exact=True).input_value() == "acme"
    page.go_back()
    expect(page.get_by_label("Tenant", exact=True)).to_have_value("")
    look.settled()
    assert look.figure("Requests") == one


def test_windows_can_be_named_or_written(look: Looker) -> None:
    look.sign_in(query="?range=1h")
    expect(look.page.get_by_role("status")).to_contain_text("in whole minutes")
    look.page.get_by_label("Window", exact=True).select_option("30d")
    expect(look.page.get_by_role("status")).to_contain_text("in whole days")
    look.page.get_by_label("Window", exact=True).select_option("custom")
    look.page.get_by_label("From, UTC", exact=True).fill("2024-01-01T00:00")
    look.page.get_by_label("From, UTC", exact=True).press("Tab")
    look.page.wait_for_url(re.compile("since=2024-01-01T00%3A00"))
    expect(look.page.get_by_role("status")).to_contain_text("2024-01-01 00:00 UTC")


def test_down_to_one_request_and_back(look: Looker) -> None:
    look.sign_in(query="?range=7d&endpoint=contracts")
    page = look.page
    page.locator("[data-panel=notable] a[data-inside]").first.click()
    panel = page.locator("[data-panel=request]")
    expect(panel).to_contain_text("Decisions, in order")
    expect(panel.locator("h2")).to_contain_text("req_")
    request_id = panel.locator("h2").inner_text()
    expect(panel).to_contain_text(f"farthing replay {request_id}.json --config")
    levers = panel.locator("table").first.locator("tbody tr td:nth-child(2)").all_inner_texts()
    assert levers[:3] == ["classify", "cache", "route"]
    page.get_by_role("link", name="All requests").click()
    look.settled()
    assert "endpoint=contracts" in page.url
    assert "request=" not in page.url


def test_every_panel_has_its_figures_as_csv_and_json(look: Looker, tmp_path: Path) -> None:
    look.sign_in()
    links = look.page.locator(".panel .links a").evaluate_all("links => links.map(link => [link.href, link.download])")
    assert [name for _, name in links] == [f"{panel}.{kind}" for panel in PANELS for kind in ("csv", "json")]
    for address, name in links:
        answer = look.page.request.get(address)
        assert (answer.status, len(answer.body()) > 40) == (200, True), name
    with look.page.expect_download() as found:
        look.page.locator("[data-panel=account] .links a", has_text="CSV").click()
    found.value.save_as(tmp_path / "account.csv")
    assert (tmp_path / "account.csv").read_text().startswith("part,usd,")


def test_new_figures_come_in_by_themselves_without_taking_the_focus(look: Looker) -> None:
    look.page.clock.install()
    look.sign_in(query="?range=7d")
    before = int(look.figure("Requests").replace(",", ""))
    link = look.page.locator("[data-panel=cost] .links a").first
    link.focus()
    look.product.add(25, seed=77, days=0.01)
    look.page.clock.fast_forward(10_500)
    expect(look.page.locator("[data-panel=account]")).to_contain_text(f"{before + 25:,}")
    expect(look.page.locator("[data-panel=cost] .links a").first).to_be_focused()


def test_the_keyboard_reaches_everything(look: Looker) -> None:
    look.sign_in()
    look.page.reload()
    look.settled()
    look.page.keyboard.press("Tab")
    expect(look.page.get_by_text("Skip to the figures")).to_be_focused()
    names = []
    for _ in range(30):
        look.page.keyboard.press("Tab")
        names.append(look.page.evaluate("document.activeElement.name || document.activeElement.id || document.activeElement.textContent"))
    wanted = ["range", "endpoint", "tenant", "tier", "live", "theme", "leave", "Account", "Requests", "CSV"]
    assert [name for name in names if name in wanted][: len(wanted)] == wanted


def test_light_and_dark_are_remembered(look: Looker) -> None:
    look.sign_in()
    ground = "getComputedStyle(document.body).backgroundColor"
    light = look.page.evaluate(ground)
    look.page.get_by_role("button", name="Light or dark").click()
    dark = look.page.evaluate(ground)
    look.page.reload()
    look.settled()
    assert light != dark == look.page.evaluate(ground)


def test_a_viewer_looks_and_signs_out(look: Looker) -> None:
    look.sign_in("viewer")
    look.page.get_by_role("button", name="Sign out").click()
    expect(look.page.get_by_role("button", name="Sign in")).to_be_visible()
    assert look.page.locator(".panel").count() == 0
    look.open()
    expect(look.page.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_phone_shows_all_of_it_without_sideways_scrolling(look_from_phone: Looker) -> None:
    look_from_phone.sign_in()
    assert look_from_phone.overflow_px() == 0
    assert look_from_phone.page.locator(".panel").count() == len(PANELS)
    look_from_phone.page.locator("[data-panel=notable] a[data-inside]").first.click()
    expect(look_from_phone.page.locator("[data-panel=request]")).to_contain_text("Decisions, in order")
    assert look_from_phone.overflow_px() == 0


@pytest.mark.parametrize("width", [390, 1280])
def test_a_report_s_charts_are_painted_under_its_own_policy(browser: Browser, tmp_path: Path, width: int) -> None:
    from farthing.page import Page, Section, render
    from tests.page.test_page import _charts

    (tmp_path / "report.html").write_text(render(Page("Report", [Section("Charts", _charts("a"))])))
    page = browser.new_page(viewport={"width": width, "height": 800})
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto((tmp_path / "report.html").as_uri())
    canvases = page.locator("canvas")
    expect(canvases).to_have_count(5)
    assert all(canvases.nth(at).evaluate(_PAINTED) for at in range(5))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
    assert faults == []
