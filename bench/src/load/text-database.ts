import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { SeededRandom } from "@litestream/testkit";

const vocabularyWords = 4096;
/** Rows are cut out of a text of this size. LZ4 looks back 64 KB, and finds none of it again. */
const textBytes = 32 << 20;
const rowBytesMax = 6000;

/**
 * Makes a closed database of about `sizeBytes` as applications have them: rows of words, some frequent and most rare,
 * and an index. LZ4 makes 60 % of it, at the speed that it has with such content. Nothing is made where it is there.
 */
export function makeTextDatabase(path: string, sizeBytes: number): void {
  if (existsSync(path)) return;
  const random = new SeededRandom(1);
  const text = words(random);
  using database = new Database(path);
  database.run("PRAGMA journal_mode = OFF");
  database.run("PRAGMA synchronous = OFF");
  database.run("CREATE TABLE document (id INTEGER PRIMARY KEY, title TEXT NOT NULL, body TEXT NOT NULL)");
  database.run("CREATE INDEX document_title ON document (title)");
  database.run("BEGIN");
  using insert = database.prepare("INSERT INTO document (title, body) VALUES (?, ?)");
  for (let written = 0; written < sizeBytes;) {
    const size = 200 + random.below(rowBytesMax - 200);
    const start = random.below(text.length - size);
    insert.run(`${1e9 + written} ${text.slice(start, start + 12)}`, text.slice(start, start + size));
    written += size + 90;
  }
  database.run("COMMIT");
  database.run("PRAGMA synchronous = FULL");
  database.run("PRAGMA journal_mode = WAL");
}

function words(random: SeededRandom): string {
  const vocabulary = Array.from({ length: vocabularyWords }, () => word(random));
  const parts: string[] = [];
  for (let bytes = 0; bytes < textBytes;) {
    // The square makes the first ones frequent.
    const one = vocabulary[Math.floor(random.fraction() ** 2 * vocabularyWords)] ?? "";
    parts.push(one);
    bytes += one.length + 1;
  }
  return parts.join(" ");
}

function word(random: SeededRandom): string {
  const letters = Array.from({ length: 3 + random.below(8) }, () => String.fromCharCode(97 + random.below(26)));
  return letters.join("");
}
