/** Runs `script` in another process, with `db` open on the database at `path`; its return value comes back as JSON. */
export async function inOtherProcess(path: string, script: string): Promise<unknown> {
  const program = `
    import { constants, Database } from "bun:sqlite";
    const db = new Database(${JSON.stringify(path)});
    db.fileControl(constants.SQLITE_FCNTL_PERSIST_WAL, 1);
    db.run("PRAGMA busy_timeout = 5000");
    const result = await (async () => { ${script} })();
    db.close();
    console.log(JSON.stringify(result ?? null));`;
  const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe", stderr: "pipe" });
  const [out, said, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`the other process failed: ${said}`);
  return JSON.parse(out);
}

/** Runs `script` in another process, with `db` open, which ends by a signal of its own. @returns the signal */
export async function processThatEnds(path: string, script: string): Promise<NodeJS.Signals | number | null> {
  const program = `
    import { Database } from "bun:sqlite";
    const db = new Database(${JSON.stringify(path)});
    db.run("PRAGMA wal_autocheckpoint = 0");
    ${script}`;
  const child = Bun.spawn([process.execPath, "-e", program], { stdout: "ignore", stderr: "ignore" });
  await child.exited;
  return child.signalCode;
}

/** A WAL database with one table, made by another process, whose WAL is left as it is. */
export async function makeDatabase(path: string, options: { pageSize?: number; rows?: number } = {}): Promise<void> {
  await inOtherProcess(
    path,
    `db.run("PRAGMA page_size = ${options.pageSize ?? 4096}");
     db.run("PRAGMA journal_mode = wal");
     db.run("PRAGMA wal_autocheckpoint = 0");
     db.run("PRAGMA synchronous = OFF");
     db.run("CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)");
     for (let i = 0; i < ${options.rows ?? 10}; i++) db.run("INSERT INTO t (data) VALUES (randomblob(3000))");`,
  );
}

/** A script for `inOtherProcess` that commits one row and checkpoints nothing. */
export const insertRow = `
  db.run("PRAGMA wal_autocheckpoint = 0");
  db.run("INSERT INTO t (data) VALUES (randomblob(3000))");`;
