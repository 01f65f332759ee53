/**
 * Who looks at replication from outside, in a process of its own: scrapes of `/metrics`, or open pages that take the
 * stream of `/status.json`. Started by observed.ts with a task as JSON; prints what came of it when its input ends.
 */
export interface OnlookerTask {
  readonly url: string;
  readonly scrapesPerSecond: number;
  readonly pages: number;
}

export interface OnlookerReport {
  readonly scrapes: number;
  readonly failed: number;
  readonly events: number;
  readonly bytes: number;
}

const report = { scrapes: 0, failed: 0, events: 0, bytes: 0 };
let isOver = false;

async function scrape(url: string): Promise<void> {
  try {
    const response = await fetch(`${url}/metrics`);
    report.bytes += (await response.arrayBuffer()).byteLength;
    if (response.ok) report.scrapes++;
    else report.failed++;
  } catch {
    report.failed++;
  }
}

async function scrapeUntilOver({ url, scrapesPerSecond }: OnlookerTask): Promise<void> {
  const beganAtMs = performance.now();
  const running = new Set<Promise<void>>();
  for (let n = 0; !isOver && scrapesPerSecond > 0; n++) {
    const dueMs = beganAtMs + (n * 1000) / scrapesPerSecond;
    if (dueMs > performance.now()) await Bun.sleep(dueMs - performance.now());
    const one = scrape(url).finally(() => running.delete(one));
    running.add(one);
  }
  await Promise.all(running);
}

async function watchUntilOver(url: string, signal: AbortSignal): Promise<void> {
  try {
    const response = await fetch(`${url}/status.json`, { headers: { Accept: "text/event-stream" }, signal });
    if (!response.ok || response.body === null) throw new Error(`it was answered with ${response.status}`);
    for await (const chunk of response.body as ReadableStream<Uint8Array>) {
      report.events++;
      report.bytes += chunk.byteLength;
    }
  } catch {
    if (!signal.aborted) report.failed++;
  }
}

if (import.meta.main) {
  const task = JSON.parse(process.argv[2] ?? "") as OnlookerTask;
  const end = new AbortController();
  const watching = Array.from({ length: task.pages }, () => watchUntilOver(task.url, end.signal));
  const scraping = scrapeUntilOver(task);
  for await (const _ of Bun.stdin.stream()) {
    // Its end is what is waited for.
  }
  isOver = true;
  end.abort();
  await Promise.all([scraping, ...watching]);
  console.log(JSON.stringify(report satisfies OnlookerReport));
}
