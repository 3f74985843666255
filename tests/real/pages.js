// Owns the checks of HTML pages in a browser: see pages.sh.
const fs = require("fs");
const path = require("path");
const puppeteer = require("puppeteer-core");

const [folder, shots] = process.argv.slice(2);
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const MOST_BYTES = 400000;

(async () => {
    const browser = await puppeteer.launch({
        executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
        args: ["--no-sandbox", "--disable-gpu", "--hide-scrollbars"],
    });
    let failed = 0;
    const rows = [];
    for (const name of fs.readdirSync(folder).filter((name) => name.endsWith(".html")).sort()) {
        const file = path.join(folder, name);
        const bytes = fs.statSync(file).size;
        const found = { violations: 0, requests: 0, sideways: 0 };
        const page = await browser.newPage();
        // The page forbids scripts: only the check may run one.
        await page.setBypassCSP(true);
        page.on("request", (request) => {
            if (request.url() !== `file://${file}`) {
                found.requests += 1;
                console.log(`${name}: asks for ${request.url()}`);
            }
        });
        for (const width of [400, 1400]) {
            for (const scheme of ["light", "dark"]) {
                await page.setViewport({ width, height: 900 });
                await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
                await page.goto(`file://${file}`);
                const base = path.join(shots, `${name.replace(".html", "")}-${scheme}-${width}`);
                await page.screenshot({ path: `${base}.png`, fullPage: true });
                const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
                if (wide > 0) {
                    found.sideways += 1;
                    console.log(`${name} at ${width} px: ${wide} px wider than the window`);
                }
                await page.evaluate(() => document.querySelectorAll("details").forEach((part) => { part.open = true; }));
                await page.evaluate(axe);
                const result = await page.evaluate(() => window.axe.run(document));
                for (const violation of result.violations) {
                    found.violations += 1;
                    const where = violation.nodes.slice(0, 3).map((node) => `${node.target}: ${node.failureSummary}`);
                    console.log(`${name} ${scheme} ${width}: ${violation.id}: ${violation.help}\n  ${where.join("\n  ")}`);
                }
            }
        }
        await page.goto(`file://${file}`);
        await page.pdf({ path: path.join(shots, name.replace(".html", ".pdf")), format: "A4" });
        await page.close();
        const bad = bytes > MOST_BYTES || found.violations + found.requests + found.sideways > 0;
        failed += bad ? 1 : 0;
        rows.push([name, bytes, found.violations, found.requests, found.sideways, bad ? "NO" : "yes"]);
    }
    await browser.close();
    console.log("| page | bytes | violations | requests | wider than the window | good |\n|---|---|---|---|---|---|");
    rows.forEach((row) => console.log(`| ${row.join(" | ")} |`));
    process.exit(failed > 0 || rows.length === 0 ? 1 : 0);
})();
