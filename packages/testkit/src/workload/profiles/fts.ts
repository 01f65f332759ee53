import type { WorkloadTransaction } from "../transaction.ts";
import { churn } from "./churn.ts";
import type { Profile } from "./profile.ts";

const wordsMax = 80;
const vocabulary = 2000;
const syllables = ["ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "wo", "xu", "za"];

function word(index: number): string {
  let text = "";
  for (let rest = index + syllables.length; rest > 0; rest = Math.floor(rest / syllables.length)) {
    text += syllables[rest % syllables.length] ?? "";
  }
  return text;
}

/** As in a language, a few words are in every text and most are rare. */
function text({ random }: WorkloadTransaction): string {
  const words = Array.from({ length: 5 + random.below(wordsMax) }, () =>
    word(random.below(1 + random.below(vocabulary))),
  );
  return words.join(" ");
}

// The index must be told to delete what it was told to add. https://www.sqlite.org/fts5.html, section 4.4.3.
const removal = "INSERT INTO item_text(item_text, rowid, payload) VALUES ('delete', old.id, old.payload)";
const addition = "INSERT INTO item_text(rowid, payload) VALUES (new.id, new.payload)";

export const fts: Profile = {
  description: "Texts in a table with an FTS5 index that triggers keep in step: segments are written and merged",
  schema: [
    "CREATE TABLE item(id INTEGER PRIMARY KEY, key TEXT NOT NULL, payload TEXT NOT NULL)",
    "CREATE VIRTUAL TABLE item_text USING fts5(payload, content = 'item', content_rowid = 'id')",
    `CREATE TRIGGER item_inserted AFTER INSERT ON item BEGIN ${addition}; END`,
    `CREATE TRIGGER item_deleted AFTER DELETE ON item BEGIN ${removal}; END`,
    `CREATE TRIGGER item_updated AFTER UPDATE ON item BEGIN ${removal}; ${addition}; END`,
  ],
  tables: ["item"],
  change: (transaction) => churn(transaction, 1, () => text(transaction)),
};
