"""A browser, with words for what a reader of the leaderboard's page does."""

import shutil
import time

import pytest

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def start(profile):
    """A Chromium with a profile of its own; the test is skipped where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not chromedriver:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))


class Browser:
    """The page in a browser."""

    def __init__(self, driver, address):
        self.driver, self.address = driver, address

    def visit(self, hash_="", width=1400, height=1000, **features):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", **size)
        named = [
            {"name": f"prefers-{key.replace('_', '-')}", "value": value} for key, value in features.items()
        ]
        self.command("Emulation.setEmulatedMedia", features=named)
        # Between two addresses that differ in the hash alone a browser loads nothing.
        self.driver.get("about:blank")
        self.driver.get(self.address + hash_)
        # On a busy machine the driver may take the load of the empty page for that of this one.
        there = "return document.readyState === 'complete' && location.href.startsWith(arguments[0])"
        assert self.soon(lambda: self.js(there, self.address), seconds=30)
        return self

    def command(self, name, **parameters):
        self.driver.execute_cdp_cmd(name, parameters)

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def find_all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def go(self, view):
        self.find(f"[data-view='{view}']").click()
        return self

    def choose(self, name, value):
        """What a browser does once a reader has chosen; the driver's own click sends no input event."""
        choice = self.find(f"#{name} option[value='{value}']")
        assert choice.is_enabled()
        self.js(
            """const select = arguments[0].closest("select");
            arguments[0].selected = true;
            for (const name of ["input", "change"])
                select.dispatchEvent(new Event(name, {bubbles: true}))""",
            choice,
        )

    def press(self, *keys):
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def texts(self, selector):
        """Of what is shown of these elements."""
        return self.js(
            """return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility())
                .map(e => e.innerText)""",
            selector,
        )

    def column(self, name):
        return self.texts(f".view:not([hidden]) tbody .{name}")

    def systems(self):
        return self.texts(".view:not([hidden]) tbody .system .open")

    def marks(self):
        return self.texts(".view:not([hidden]) tbody .about")

    def soon(self, condition, seconds=10):
        """Whether it comes true in time: some events come after the click that causes them."""
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        return True

    @property
    def hash(self):
        return self.js("return location.hash")

    @property
    def panel_open(self):
        return self.js("return document.getElementById('panel').open")

    def focused(self):
        return self.js("return document.activeElement.dataset.open || document.activeElement.id")
