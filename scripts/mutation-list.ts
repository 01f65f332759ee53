/** One rule, taken out of the product: a text in a file, and what stands there instead. */
export interface Mutation {
  /** What is done without, as it reads in a table. */
  readonly name: string;
  /** Relative to packages/core/src. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly from: string;
  readonly to: string;
  /** Folders of packages/core/test that are run. */
  readonly tests: readonly string[];
  /** A test that has to fail: its whole name, with those of its describe blocks. */
  readonly caughtBy: string;
}

const ofCapture: readonly string[] = ["db", "interleaving", "sqlite"];
const ofReplica: readonly string[] = ["power-loss", "replica"];
const ofCost: readonly string[] = ["cost"];

/** The end of the WAL as its file has it: the last valid commit frame. */
const lookAtFile = `const view = readableWalIndex(this.#files.file, this.#files.busyTimeoutMs);
    using wal = openWal(this.#files.file.walPath);
    try {
      const { header, end } = proveWal(wal);
      if (!sameSalts(header.salts, view.salts)) return view;
      return { ...view, mxFrame: framesIn(end.offset, view.pageSize), frameChecksum: end.checksum };
    } catch {
      return view;
    }`;

export const mutations: readonly Mutation[] = [
  {
    name: "the end of the WAL is its last valid commit frame, not mxFrame",
    file: "db/steps.ts",
    from: "return readableWalIndex(this.#files.file, this.#files.busyTimeoutMs);",
    to: lookAtFile,
    tests: ofCapture,
    caughtBy:
      "Db.sync while others use the database > does not copy a transaction of a writer that died before publishing it, overwritten then",
  },
  {
    name: "the running checksum of a copy is not compared with the wal-index's",
    file: "db/steps.ts",
    from: `stop === "end" && s1 === view.frameChecksum.s1 && s2 === view.frameChecksum.s2;`,
    to: `stop === "end";`,
    tests: ofCapture,
    caughtBy: "frames that are valid, and whole, and not those of the wal-index are not copied",
  },
  {
    name: "the wal-index is believed without its checksum",
    file: "sqlite/wal-index.ts",
    from: "if (sum.s1 !== (words[10] ?? 0) || sum.s2 !== (words[11] ?? 0)) return undefined;",
    to: "",
    tests: ofCapture,
    caughtBy: "parseWalIndex > gives nothing when both copies hold a header that fails its checksum",
  },
  {
    name: "the two copies of the wal-index's header may differ",
    file: "sqlite/wal-index.ts",
    from: "if (words[word] !== words[word + wordsPerHeader]) return undefined;",
    to: "",
    tests: ofCapture,
    caughtBy: "parseWalIndex > gives nothing while the two copies differ, at whichever byte",
  },
  {
    name: "other salts are always the next index, covered or not",
    file: "db/protocol.ts",
    from: "decideSync(captured, view, state.covered)",
    to: "decideSync(captured, view, true)",
    tests: ofCapture,
    caughtBy:
      "a step of ours fails, and before our next sync a neighbour > truncates the WAL: one generation, equal bytes, but where no lock could be had: another, with its reason",
  },
  {
    name: "covered does not end with the last read lock",
    file: "db/protocol.ts",
    from: "covered: state.covered && (reads.length > 0 || state.writersOut)",
    to: "covered: state.covered",
    tests: ofCapture,
    caughtBy:
      "a step of ours fails, and before our next sync a neighbour > truncates the WAL: one generation, equal bytes, but where no lock could be had: another, with its reason",
  },
  {
    name: "other salts are the next index only where salt-1 is one higher",
    file: "db/capture.ts",
    from: `if (tail === undefined) return { kind: "begin-index", index: state.index };`,
    to: `if (tail === undefined) return { kind: "begin-index", index: state.index };
  if (view.salts.salt1 !== (tail.header.salts.salt1 + 1) >>> 0) {
    return { kind: "new-generation", reason: "wal restarted while not replicating" };
  }`,
    tests: ofCapture,
    caughtBy: "Db.sync > survives any number of TRUNCATEs while idle: salts change, no frame does",
  },
  {
    name: "at a hand-over, the old read ends before the copy",
    file: "db/protocol.ts",
    from: "const handOver: readonly Plan[] = [beginRead, capture, endRead];",
    to: "const handOver: readonly Plan[] = [beginRead, endRead, capture];",
    tests: ofCapture,
    caughtBy: "capture's steps > hand the read lock over without a moment in which the WAL could be restarted",
  },
  {
    name: "at a hand-over, the old read ends before the new one begins",
    file: "db/protocol.ts",
    from: "const handOver: readonly Plan[] = [beginRead, capture, endRead];",
    to: "const handOver: readonly Plan[] = [capture, endRead, beginRead];",
    tests: ofCapture,
    caughtBy: "a neighbour, between two of our steps, > truncates the WAL: one generation, equal bytes, page size 4096",
  },
  {
    name: "at a checkpoint, what came last is not copied",
    file: "db/protocol.ts",
    from: `[capture, endRead, { do: "move rest", mode: step.mode }, beginRead];`,
    to: `[endRead, { do: "move rest", mode: step.mode }, beginRead];`,
    tests: ofCapture,
    caughtBy: "capture's steps > keep writers out from the last copy until the read lock is held again, and no longer",
  },
  {
    name: "at a checkpoint, the read lock is taken again after the write lock is gone",
    file: "db/protocol.ts",
    from: `[...moved, ...flushed, { do: "let writers in" }, ...rest]`,
    to: `[...moved.slice(0, -1), ...flushed, { do: "let writers in" }, beginRead, ...rest]`,
    tests: ofCapture,
    caughtBy: "Db.sync > takes a WAL that was restarted after our checkpoint as the next index of the same generation",
  },
  {
    name: "a writer that outruns a checkpoint is not kept out until all is flushed",
    file: "db/protocol.ts",
    from: `step.isOutrun ? [{ do: "flush shadow" }] : []`,
    to: "[]",
    tests: ofCapture,
    caughtBy: "capture's steps > keep a writer that is faster than they are out until all is flushed, after one round",
  },
  {
    name: "at a checkpoint, writers are not kept out",
    file: "db/steps.ts",
    from: "const isLocked = this.#writer.tryBeginImmediate(waitMs);",
    to: "const isLocked = true;",
    tests: ofCapture,
    caughtBy: "capture's steps > keep writers out from the last copy until the read lock is held again, and no longer",
  },
  {
    name: "a checkpoint that fails lets writers in without a read lock",
    file: "db/protocol.ts",
    from: `if (state.reads.length === 0 && failed !== "begin read") plan.push(beginRead);`,
    to: "",
    tests: ofCapture,
    caughtBy:
      "a step of ours fails, and before our next sync a neighbour > truncates the WAL: one generation, equal bytes, but where no lock could be had: another, with its reason",
  },
  {
    name: "a connection of ours that can write is the last to close, which checkpoints",
    file: "sqlite/connection.ts",
    from: 'access === "read" ? { readonly: true } : { readwrite: true, create: false }',
    to: "{ readwrite: true, create: false }",
    tests: ofCapture,
    caughtBy:
      "a database that is replaced while we replicate it > in place, while nobody has it open, is not touched by our stop, though we are the last",
  },
  {
    name: "a descriptor of the database file is opened and closed beside SQLite's",
    file: "sqlite/db-file.ts",
    from: "return readSync(this.#db.fd, buffer, 0, buffer.byteLength, offset);",
    to: `const other = openSync(this.realPath, "r");
      try {
        return readSync(other, buffer, 0, buffer.byteLength, offset);
      } finally {
        closeSync(other);
      }`,
    tests: ofCapture,
    caughtBy: "a snapshot that is read leaves our lock on the database file",
  },
  {
    name: "a descriptor of the wal-index is opened and closed beside SQLite's",
    file: "sqlite/db-file.ts",
    from: "const size = readSync(shm.fd, this.#walIndexBytes, 0, walIndexHeaderSizeBytes, 0);",
    to: `closeSync(openSync(path, "r"));
      const size = readSync(shm.fd, this.#walIndexBytes, 0, walIndexHeaderSizeBytes, 0);`,
    // A neighbour then waits for 10 s at each of its steps, until SQLite gives up: a quarter of an hour of interleavings.
    tests: ["db"],
    caughtBy: "Db.sync > hands over before the application pays for our lock, and then no one can restart the WAL",
  },
  {
    name: "two replicators of one database do not keep each other out",
    file: "sqlite/replicator-lock.ts",
    from: `"BEGIN EXCLUSIVE"`,
    to: `"SELECT 1"`,
    tests: ofCapture,
    caughtBy: "Db.open > refuses a database that is replicated already, until that ends",
  },
  {
    name: "after a restart of ours, other salts are gone on with",
    file: "db/steps.ts",
    from: "if (reason !== undefined) return no(reason);",
    to: "",
    tests: ofCapture,
    caughtBy: "Db.open after an earlier run > begins a generation when the WAL was restarted",
  },
  {
    name: "after a restart of ours, the shadow WAL is not proven against the WAL",
    file: "db/steps.ts",
    from: `if (!sameContent(tail, shadowFile, file.walPath)) return no("wal overwritten by another process");`,
    to: "",
    tests: ofCapture,
    caughtBy:
      'our restart, when the WAL meanwhile > lost its last commit, as in a power cut, and others stand in its place: a generation, "wal overwritten by another process", after a stop',
  },
  {
    name: "a copy that failed half-way is not taken back",
    file: "db/steps.ts",
    from: `if (!isLitestreamError(error, "SHADOW_DAMAGED")) {
        this.#takeBack(writer, captured.generation, isNewIndex, fromOffset);`,
    to: `if (!isLitestreamError(error, "SHADOW_DAMAGED")) {`,
    tests: ofCapture,
    caughtBy: "a copy that failed after a part of it costs no more than that one sync",
  },
  {
    name: "what was seen before a copy failed counts as captured",
    file: "db/protocol.ts",
    from: "return planned({ ...state, view: undefined, isProven: state.isProven && isProven }, plan);",
    to: "return planned({ ...state, isProven: state.isProven && isProven }, plan);",
    tests: ["db"],
    caughtBy: "Db.needsSync > is true after a copy that failed, so that what was seen is not taken for captured",
  },
  {
    name: "a shadow WAL that may be half-written is added to",
    file: "db/protocol.ts",
    from: "isProven: state.isProven && isProven",
    to: "isProven: state.isProven",
    tests: ofCapture,
    caughtBy: "Db.sync > adds nothing to a shadow WAL that somebody else changed, and proves it anew at the next sync",
  },
  {
    name: "a shadow WAL that somebody else changed is added to",
    file: "shadow/shadow-wal.ts",
    from: "if (size !== this.#size || offset !== size) {",
    to: "if (false) {",
    tests: ofCapture,
    caughtBy: "Db.sync > adds nothing to a shadow WAL that somebody else changed, and proves it anew at the next sync",
  },
  {
    name: "a shadow WAL is not flushed before the next index begins",
    file: "db/steps.ts",
    from: "if (index !== captured.index) this.#shadowWriter?.sync();",
    to: "",
    tests: ["db"],
    caughtBy: "a shadow WAL is durable before the next one exists",
  },
  {
    name: "the old generation goes before the new one's name is durable",
    file: "shadow/shadow-wal.ts",
    from: "replaceFile(this.paths.generationName, `${generation}\\n`, this.#owner, shadowError);",
    to: `for (const name of readdirSync(this.paths.generations)) {
        if (name !== generation) removeFile(join(this.paths.generations, name));
      }
      replaceFile(this.paths.generationName, \`\${generation}\\n\`, this.#owner, shadowError);`,
    tests: ofCapture,
    caughtBy: "Db.beginGeneration > leaves the old generation going when it fails, and begins one when it can",
  },
  {
    name: "shadow WAL is let go that a replica still needs",
    file: "shadow/release.ts",
    from: "position?.generation === generation ? position.index - 1 : first",
    to: "position?.generation === generation ? position.index + 1 : first",
    tests: ["shadow", "replica"],
    caughtBy: "firstToKeep > keeps what each replica has yet to copy, and one before it",
  },
  {
    name: "a checkpoint of ours may take place while a snapshot is copied",
    file: "db/db.ts",
    from: "if (this.#readers.size > 0) return undefined;",
    to: "",
    tests: ofCapture,
    caughtBy: "DbSnapshot > holds every checkpoint of ours off until it ends, and ends where the WAL ends then",
  },
  {
    name: "a snapshot is shown before the replica holds its WAL",
    file: "replica/store-replica.ts",
    from: "await reach(end, index);",
    to: "",
    tests: ofReplica,
    caughtBy: "FileReplica.sync > shows a generation only once it has both its snapshot and the WAL that belongs to it",
  },
  {
    name: "a generation is shown before its snapshot is there",
    file: "replica/whole-folder.ts",
    from: "return this.#store.exists(generationKey(generation)) ? put() : this.#appearAtOnce(generation, put);",
    to: "return put();",
    tests: ofReplica,
    caughtBy: "FileReplica.sync > shows a generation only once it has both its snapshot and the WAL that belongs to it",
  },
  {
    name: "the replica's WAL is not flushed before it is reported",
    file: "replica/whole-folder.ts",
    from: `append(file);
    file.sync();`,
    to: "append(file);",
    tests: ofReplica,
    caughtBy: "no power loss takes back a position that was reported",
  },
  {
    name: "a new WAL of the replica is not flushed before it is reported",
    file: "replica/whole-folder.ts",
    from: `write(file);
      file.sync();`,
    to: "write(file);",
    tests: ofReplica,
    caughtBy: "no power loss takes back a position that was reported",
  },
  {
    name: "a new WAL of the replica is written in place",
    file: "replica/whole-folder.ts",
    from: "const temporaryKey = `${key}${temporarySuffix}`;",
    to: "const temporaryKey = key;",
    tests: ofReplica,
    caughtBy: "no power loss takes back a position that was reported",
  },
  {
    name: "a snapshot is not flushed before it has its name",
    file: "store/file.ts",
    from: "await flushing.end();",
    to: "",
    tests: ofReplica,
    caughtBy: "no power loss takes back a position that was reported",
  },
  {
    name: "the folder is not flushed after a file was given its name",
    file: "local-file.ts",
    from: `renameSync(from, to);
  syncFolder(dirname(to));`,
    to: "renameSync(from, to);",
    tests: ofReplica,
    caughtBy: "no power loss takes back a position that was reported",
  },
  {
    name: "the replica's tail is believed after a crash",
    file: "replica/wal-copier.ts",
    from: `if (!endsLike(chain, wal)) throw new CannotGoOn(generation, "replica differs from the shadow wal");`,
    to: "",
    tests: ofReplica,
    caughtBy:
      "FileReplica after a crash or a change from outside > begins a generation when the replica differs from the shadow WAL at its end",
  },
  {
    name: "a torn tail of the replica is not cut off",
    file: "replica/wal-copier.ts",
    from: "if (held.isTorn) await writer().cutTail(generation, index, chain, signal);",
    to: "",
    tests: ["db", "replica"],
    caughtBy: "a torn tail of the replica's WAL goes, though less is added than it had",
  },
  {
    name: "a superseded WAL is compressed though it is not whole",
    file: "replica/whole-folder.ts",
    from: `if (!isWhole) throw new CannotGoOn(generation, "replica differs from the shadow wal");`,
    to: "",
    tests: ofReplica,
    caughtBy:
      "FileReplica after a crash or a change from outside > begins a generation when a superseded WAL of the replica was damaged before it was compressed",
  },
  {
    name: "a superseded WAL goes before its compressed form is there",
    file: "replica/whole-folder.ts",
    from: `const compressed = compressLz4(this.#store.read(key));`,
    to: `const chunks: Uint8Array[] = [];
      for await (const chunk of this.#store.read(key)) chunks.push(chunk.slice());
      await this.#store.delete([key]);
      const compressed = compressLz4(
        (async function* () {
          yield* chunks;
        })(),
      );`,
    tests: ofReplica,
    caughtBy: "no power loss takes back a position that was reported",
  },
  {
    name: "each transaction is flushed in the shadow WAL, too",
    file: "shadow/shadow-wal.ts",
    from: "this.#size += bytes.byteLength;",
    to: "this.#size += bytes.byteLength; this.sync();",
    tests: ofCost,
    caughtBy: "capture of a transaction reads the WAL once and writes its frames once, with no flush",
  },
  {
    name: "each transaction is flushed twice in the replica",
    file: "replica/whole-folder.ts",
    from: `append(file);
    file.sync();
    return chain;`,
    to: `append(file);
    file.sync();
    file.sync();
    return chain;`,
    tests: ofCost,
    caughtBy: "replication of a transaction reads the shadow WAL once, and writes and flushes the replica's once",
  },
  {
    name: "a WAL is copied a few pages at a time",
    file: "wal/file.ts",
    from: "const chunkSizeBytes = 1 << 20;",
    to: "const chunkSizeBytes = 1 << 14;",
    tests: ofCost,
    caughtBy: "many transactions that are captured at once cost what one does, but for the bytes",
  },
];
