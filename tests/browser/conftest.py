"""A real browser: Chromium, through Playwright. Every test saves a screenshot in .local/screenshots."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from local.settings import STATE
from tools.client import FLOW_SECONDS, Shop

SCREENSHOTS = STATE / "screenshots"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# In milliseconds.
PATIENCE = 1000 * FLOW_SECONDS
# A name of an attacker that leads to this machine, as after DNS rebinding.
REBOUND = "rebound.attacker.example"
SETTINGS = ("--no-sandbox", "--disable-dev-shm-usage", f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The installed Chromium, or Playwright's own."""
    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)
    with sync_playwright() as playwright:
        # Root, as in containers, has no sandbox; the only site that is visited is our own.
        browser = playwright.chromium.launch(executable_path=executable, args=SETTINGS)
        yield browser
        browser.close()


@pytest.fixture
def look(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Options of the browser context; a test sets others by ``parametrize(..., indirect=True)``."""
    return getattr(request, "param", {})


@pytest.fixture
def context(chromium: Browser, shop: Shop, look: dict[str, Any]) -> Iterator[BrowserContext]:
    """A browser without cookies or storage."""
    context = chromium.new_context(base_url=shop.front_door, reduced_motion="reduce", **look)
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A tab. Script errors and violations of the content policy fail the test."""
    page, troubles = context.new_page(), []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "console", lambda message: troubles.append(message.text) if "Content Security Policy" in message.text else None
    )
    yield page
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{Path(request.node.name).name}.png", full_page=True)
    assert troubles == []


def accessible(page: Page) -> None:
    """No violation of WCAG 2.2 AA, nor of the best practices that a machine can see."""
    violations = Axe().run(page).response["violations"]
    assert [f"{each['id']}: {[node['html'] for node in each['nodes']]}" for each in violations] == []
