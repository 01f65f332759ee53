import { type TempFolder, tempFolder } from "@litestream/testkit";
import puppeteer, { type Browser, type Page, TimeoutError } from "puppeteer-core";

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

/** Now and then, on a busy machine, one does not say within 30 s where it listens; the next one does. */
const startsMax = 2;

/** Debian's Chromium without a window. Disposing ends it, with its profile. */
export class HeadlessBrowser implements AsyncDisposable {
  readonly #browser: Browser;
  readonly #folder: TempFolder;

  constructor(browser: Browser, folder: TempFolder) {
    this.#browser = browser;
    this.#folder = folder;
  }

  static async start(executablePath: string, startsLeft = startsMax): Promise<HeadlessBrowser> {
    // What one leaves behind that had to be killed goes with it.
    const folder = await tempFolder();
    try {
      return new HeadlessBrowser(await launch(executablePath, folder.path), folder);
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      if (!(error instanceof TimeoutError) || startsLeft === 1) throw error;
      return HeadlessBrowser.start(executablePath, startsLeft - 1);
    }
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
    await this.#folder[Symbol.asyncDispose]();
  }
}

function launch(executablePath: string, tempPath: string): Promise<Browser> {
  return puppeteer.launch({
    executablePath,
    headless: true,
    env: { ...process.env, TMPDIR: tempPath },
    // Tests run as root in containers, where its sandbox cannot be; it looks at nothing but our own page.
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--hide-scrollbars",
      "--force-color-profile=srgb",
    ],
  });
}
