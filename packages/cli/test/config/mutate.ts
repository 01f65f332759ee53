import type { SeededRandom } from "@litestream/testkit";

/** Good configurations, with keys of all levels; the mutations below break them. */
export const goodConfigs: readonly string[] = [
  `# as small as it can be
dbs:
  - path: /data/app.db
    replicas:
      - path: /backups/app
`,
  `addr: ":9090"
exec: "app -port 80"
logging:
  level: debug
  type: json
  stderr: true
socket:
  enabled: true
  path: /run/litestream.sock
  permissions: 0600
shutdown-sync-timeout: 10s
heartbeat-url: https://beat.example/abc
heartbeat-interval: 5m
dbs:
  - path: /data/one.db
    meta-path: /state/one
    monitor-interval: 500ms
    checkpoint-interval: 1h30m
    min-checkpoint-page-count: 100
    max-checkpoint-page-count: 2000
    busy-timeout: 2s
    replica:
      url: file:///backups/one
      retention: 72h
      retention-check-interval: 30m
      snapshot-interval: 12h
      validation-interval: 6h
  - path: /data/two.db
    restore-if-db-not-exists: yes
    replicas:
      - name: near
        path: /backups/two
        layout: segments
      - name: far
        type: s3
        bucket: backups
        path: two
        region: eu-west-1
        endpoint: http://localhost:9000
        force-path-style: true
        part-size: 10MB
        concurrency: 2
        sync-interval: 10s
`,
  `snapshot:
  interval: 24h
  retention: 48h
validation: { interval: 12h }
retention: { enabled: false }
access-key-id: AKIAXXXXXXXX
secret-access-key: not-to-be-shown
dbs:
  - dir: /data/tenants
    pattern: "*.db"
    recursive: true
    watch: true
    meta-dir: /state/tenants
    replica: { url: "s3://bucket/tenants", storage-class: STANDARD_IA }
  - &base
    path: /data/a.db
    busy-timeout: 3s
    replicas: [{ path: /backups/a }]
  - <<: *base
    path: /data/b.db
    replicas: [{ path: /backups/b, max-shadow-wal-size: 1GiB }]
`,
];

export interface Mutation {
  readonly what: string;
  readonly text: string;
  /** The key that was misspelt. */
  readonly key?: string;
}

type Mutate = (lines: string[], random: SeededRandom) => Omit<Mutation, "text"> | undefined;

const letters = "abcdefghijklmnopqrstuvwxyz-";
const wrongValues = [
  "[]",
  "{}",
  "[1, 2]",
  "{ a: b }",
  "-1",
  "1.5",
  "''",
  "~",
  "!!binary x",
  "*nothing",
  "&x",
  "5 minutes",
];
const junk = [
  "\t",
  "{",
  "]",
  '"',
  "'",
  ":",
  "- ",
  "? ",
  "\u0000",
  "\u{1F600}",
  "<<: 1",
  "%YAML 9.9",
  "---",
  "...",
  "|",
  "@",
];

const mutations: readonly Mutate[] = [
  function misspellKey(lines, random) {
    const [index, before, key] = pickKey(lines, random) ?? [];
    if (index === undefined || before === undefined || key === undefined) return undefined;
    const at = random.below(key.length);
    const letter = letters[random.below(letters.length)] ?? "x";
    const typos = [
      key.slice(0, at) + key.slice(at + 1),
      key.slice(0, at) + letter + key.slice(at),
      key.slice(0, at) + letter + key.slice(at + 1),
    ];
    const typo = typos[random.below(typos.length)] ?? key;
    lines[index] = before + typo + (lines[index] ?? "").slice(before.length + key.length);
    return { what: `${key} as ${typo}`, key };
  },
  function wrongValue(lines, random) {
    const [index, before, key] = pickKey(lines, random) ?? [];
    if (index === undefined || before === undefined || key === undefined) return undefined;
    const value = wrongValues[random.below(wrongValues.length)] ?? "";
    lines[index] = `${before}${key}: ${value}`;
    return { what: `${key}: ${value}` };
  },
  function dropLine(lines, random) {
    const [dropped] = lines.splice(random.below(lines.length), 1);
    return { what: `without "${dropped ?? ""}"` };
  },
  function doubleLine(lines, random) {
    const index = random.below(lines.length);
    const line = lines[index] ?? "";
    lines.splice(index, 0, line);
    return { what: `"${line}" twice` };
  },
  function indent(lines, random) {
    const index = random.below(lines.length);
    const line = lines[index] ?? "";
    lines[index] = random.below(2) === 0 ? ` ${line}` : line.replace(/^ /, "");
    return { what: `"${line}" indented otherwise` };
  },
  function insertJunk(lines, random) {
    const index = random.below(lines.length);
    const line = lines[index] ?? "";
    const at = random.below(line.length + 1);
    const piece = junk[random.below(junk.length)] ?? "";
    lines[index] = line.slice(0, at) + piece + line.slice(at);
    return { what: `${JSON.stringify(piece)} in "${line}"` };
  },
  function cut(lines, random) {
    const index = random.below(lines.length);
    const line = lines[index] ?? "";
    lines.splice(index, Infinity, line.slice(0, random.below(line.length + 1)));
    return { what: `ends in "${line}"` };
  },
];

/** One change of one of the good configurations. */
export function mutate(random: SeededRandom): Mutation {
  for (;;) {
    const lines = (goodConfigs[random.below(goodConfigs.length)] ?? "").trimEnd().split("\n");
    const mutation = mutations[random.below(mutations.length)]?.(lines, random);
    if (mutation !== undefined) return { ...mutation, text: `${lines.join("\n")}\n` };
  }
}

/** A line that begins with a key: its number, what stands before the key, and the key. */
function pickKey(lines: readonly string[], random: SeededRandom): [number, string, string] | undefined {
  const index = random.below(lines.length);
  const [, before, key] = /^([ -]*)([a-z-]+):/.exec(lines[index] ?? "") ?? [];
  return before === undefined || key === undefined ? undefined : [index, before, key];
}
