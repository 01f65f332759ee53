import puppeteer, { type Browser, type Page } from "puppeteer-core";

export const chromiumPath: string | undefined =
  Bun.which("chromium") ?? Bun.which("chromium-browser") ?? Bun.which("google-chrome") ?? undefined;

export interface View {
  readonly width: number;
  readonly height: number;
  readonly scheme: "light" | "dark";
}

export interface OpenPage {
  readonly page: Page;
  /** What the page complained of, and whatever it asked of another host. */
  readonly problems: readonly string[];
  /** Bytes of all files that it loaded, uncompressed. */
  readonly loadedBytes: () => Promise<number>;
}

/** Debian's Chromium without a window. Disposing ends it, with its profile. */
export class HeadlessBrowser implements AsyncDisposable {
  readonly #browser: Browser;

  constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async start(executablePath: string): Promise<HeadlessBrowser> {
    const browser = await puppeteer.launch({
      executablePath,
      headless: true,
      // Tests run as root in containers, where its sandbox cannot be; it looks at nothing but our own page.
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--force-color-profile=srgb",
      ],
    });
    return new HeadlessBrowser(browser);
  }

  /** A page that has nothing from those before. */
  async open(url: string, view: View): Promise<OpenPage> {
    const context = await this.#browser.createBrowserContext();
    const page = await context.newPage();
    await page.setViewport({ width: view.width, height: view.height });
    await page.emulateMediaFeatures([
      { name: "prefers-color-scheme", value: view.scheme },
      { name: "prefers-reduced-motion", value: "reduce" },
    ]);
    const problems: string[] = [];
    const sizes: Promise<number>[] = [];
    page.on("response", (response) => {
      const isFile = !/event-stream|json/.test(response.headers()["content-type"] ?? "");
      if (isFile && response.ok()) sizes.push(response.buffer().then(({ byteLength }) => byteLength));
    });
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warn") problems.push(message.text());
    });
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("request", (request) => {
      if (!request.url().startsWith("data:") && !request.url().startsWith(url))
        problems.push(`it asks ${request.url()}`);
    });
    await page.goto(url);
    // Of several pages, one is seen.
    await page.bringToFront();
    const loadedBytes = async (): Promise<number> => (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
    return { page, problems, loadedBytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}
