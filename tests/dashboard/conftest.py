"""A gateway with a busy ledger, and a real browser before it. Without Chromium these tests skip and say so; `./go test` installs it where it may."""

import shutil
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from farthing import config
from farthing.stores.sqlite import database
from farthing.stores.sqlite.rollups import catch_up
from tests.fakes.gateway import Gateway
from tests.stores import traffic

_CONFIG = """
[limits.tenant.acme]
monthly_usd = 2.0

[[route.rules]]
name = "easy"
tier = "cheap"
when = { complexity_below = 0.55 }
"""
_CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


class Product:
    """The gateway, its keys, and a way to add traffic."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.store = config.Store(path=str(gateway.store))
        self.keys = {role: gateway.new_key("--role", role) for role in ("admin", "viewer")}

    def add(self, count: int, *, seed: int, days: float) -> None:
        connection = database.connect(self.store)
        try:
            rows = list(traffic.ledger(count, seed=seed, end=time.time() - 1, days=days))
            traffic.write(connection, rows)
            traffic.judge(connection, rows, share=0.2)
            catch_up(connection, time.time())
        finally:
            connection.close()


class Looker:
    """One page of a browser, and everything that went wrong on it."""

    def __init__(self, context: BrowserContext, product: Product) -> None:
        self.page: Page = context.new_page()
        self.product = product
        self.faults: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", self._see)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    def _see(self, request: Request) -> None:
        if not request.url.startswith("data:"):
            self.hosts.add(request.url.split("/")[2])

    def open(self, query: str = "") -> None:
        self.page.goto(f"{self.product.gateway.base_url}/dashboard{query}")

    def sign_in(self, role: str = "admin", query: str = "") -> None:
        self.open(query)
        self.page.get_by_label("Key", exact=True).fill(self.product.keys[role])
        self.page.get_by_role("button", name="Sign in").click()
        self.settled()

    def settled(self) -> None:
        """All panels are there, with their charts drawn."""
        self.page.wait_for_selector("[data-panel=notable], [data-panel=request]")
        self.page.wait_for_function("!document.querySelector('.panel.stale')")

    def figure(self, label: str) -> str:
        """The large figure under this label."""
        return self.page.locator(".stat", has=self.page.get_by_text(label, exact=True)).first.locator(".value").inner_text()

    def overflow_px(self) -> int:
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with Gateway(_CONFIG) as gateway:
        made = Product(gateway)
        made.add(1_500, seed=3, days=5.0)
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if _CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium (./go test does so as root on Debian)")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def look(browser: Browser, product: Product) -> Iterator[Looker]:
    """A laptop. Ends the test when the page complained of anything, or asked another host."""
    yield from _looking(browser, product, {"width": 1280, "height": 800})


@pytest.fixture
def look_from_phone(browser: Browser, product: Product) -> Iterator[Looker]:
    yield from _looking(browser, product, {"width": 390, "height": 844})


def _looking(browser: Browser, product: Product, viewport: dict[str, int]) -> Iterator[Looker]:
    context = browser.new_context(viewport=viewport, reduced_motion="reduce")  # type: ignore[arg-type]
    context.set_default_timeout(15_000)
    looker = Looker(context, product)
    yield looker
    context.close()
    assert looker.faults == []
    assert looker.hosts <= {f"127.0.0.1:{product.gateway.port}"}
