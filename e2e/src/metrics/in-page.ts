/** What is asked of a page, as text that runs in it: types of the browser would be another world's than Bun's. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "puppeteer-core";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export async function evaluate<T>(page: Page, expression: string): Promise<T> {
  return (await page.evaluate(expression)) as T;
}

export async function waitUntilTrue(page: Page, expression: string, timeout = 20_000): Promise<void> {
  await page.waitForFunction(expression, { timeout, polling: 50 });
}

export async function waitForText(page: Page, selector: string, pattern: RegExp, timeout?: number): Promise<void> {
  const text = `document.querySelector(${JSON.stringify(selector)})?.textContent ?? ""`;
  await waitUntilTrue(page, `new RegExp(${JSON.stringify(pattern.source)}).test(${text})`, timeout);
}

export function textOf(page: Page, selector: string): Promise<string> {
  return evaluate(page, `document.querySelector(${JSON.stringify(selector)}).textContent`);
}

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
}

/** What a person that cannot see, or cannot use a mouse, would stumble over, as axe finds it. */
export async function seriousProblems(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  const { violations } = await evaluate<AxeResult>(page, "axe.run()");
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}
