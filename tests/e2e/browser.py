"""A headless Chromium that tells what a page asks for, says and looks like."""

import base64
import json
from pathlib import Path

from selenium import webdriver

# Elements wider than the page, unless in a part that scrolls; pictures without a box; texts beyond their picture;
# pairs of level texts in a picture that cover each other.
LOOK = """
const wide = [], empty = [], cut = [], covered = [], width = document.documentElement.clientWidth;
for (const e of document.querySelectorAll('body *')) {
  const box = e.getBoundingClientRect();
  if (!e.closest('svg, .scroll') && (box.right > width + 1 || box.left < -1)) wide.push(e.tagName + ' ' + e.textContent);
}
let pictures = 0;
for (const svg of document.querySelectorAll('svg:not(.defs)')) {
  if (getComputedStyle(svg).display === 'none') continue;
  pictures++;
  const frame = svg.getBoundingClientRect(), level = [];
  if (frame.width < 100 || frame.height < 50) empty.push(svg.parentNode.id);
  for (const text of svg.querySelectorAll('text')) {
    const box = text.getBoundingClientRect(), name = svg.parentNode.id + ': ' + text.textContent;
    if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 ||
        box.bottom > frame.bottom + 1) cut.push(name);
    if (!(text.parentNode.getAttribute('transform') || '').includes('rotate') && box.width > 0) level.push([box, name]);
  }
  for (let i = 0; i < level.length; i++) for (let j = 0; j < i; j++) {
    const [a, m] = level[i], [b, n] = level[j];
    const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (x > 2 && y > 0.45 * Math.min(a.height, b.height)) covered.push(m + ' / ' + n);
  }
}
return {wide, empty, cut, covered, pictures, scroll: document.documentElement.scrollWidth, width};
"""


class Browser:
    def __init__(self):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"):
            options.add_argument(word)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=webdriver.chrome.service.Service("/usr/bin/chromedriver"),
                                       options=options)

    def command(self, name, **options):
        return self.driver.execute_cdp_cmd(name, options)

    def open(self, path, width, dark=False, scripts=True):
        """what LOOK finds, and besides what the page has asked for and said"""
        self.driver.get_log("performance"), self.driver.get_log("browser")
        self.command("Network.enable")
        self.command("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.command("Emulation.setEmulatedMedia",
                     features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
                     mobile=width < 600)
        self.driver.get(Path(path).as_uri())
        found = self.driver.execute_script(LOOK)
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
        found["asked"] = [url for url in asked if not url.startswith("data:") and url != Path(path).as_uri()]
        found["said"] = self.driver.get_log("browser")
        return found

    def picture(self, path):
        """of the whole page, into a file"""
        size = self.command("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 16000), "scale": 1}
        data = self.command("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
        Path(path).write_bytes(base64.b64decode(data))

    def print(self, path):
        data = self.command("Page.printToPDF", printBackground=True, paperWidth=8.27, paperHeight=11.69)["data"]
        Path(path).write_bytes(base64.b64decode(data))

    def run(self, script):
        return self.driver.execute_script(script)

    def close(self):
        self.driver.quit()
