import { expect } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { skipUnless } from "@litestream/testkit/skip";
import { root } from "../distribution/command-entries.ts";
import { runQuietly } from "../distribution/run-quietly.ts";

/** systemd's own measure, from 0 (nothing is open to it) to 100: below 15 is what it calls OK. */
const exposureMax = 15;

const testWithSystemd = skipUnless(Bun.which("systemd-analyze") ?? undefined, "systemd-analyze is not installed");

testWithSystemd("systemd's unit is in order, and leaves the command little that it could harm", async (analyze) => {
  const unit = await readFile(join(root, "contrib/systemd/litestream.service"), "utf8");
  const folder = await mkdtemp(join(tmpdir(), "litestream-systemd-"));
  try {
    const path = join(folder, "litestream.service");
    // On this machine neither the command nor its manual page has to be installed.
    await writeFile(
      path,
      unit.replaceAll("/usr/local/bin/litestream", "/bin/true").replace(/^Documentation=.*\n/m, ""),
    );
    const child = Bun.spawn([analyze, "verify", path], { stdio: ["ignore", "pipe", "pipe"] });
    const [out, err, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    expect({ said: `${out}${err}`, exitCode }).toEqual({ said: "", exitCode: 0 });
    const report = await runQuietly([analyze, "security", "--offline=true", `--threshold=${exposureMax}`, path], root);
    expect(report).toContain("Overall exposure level");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
