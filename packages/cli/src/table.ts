/**
 * Rows whose columns, as `formatTable` aligns them, fit into so many characters: the widest column's cells are cut at
 * their beginning, since the end of a path says more.
 */
export function fitRows(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  columnsMax: number,
): readonly (readonly string[])[] {
  const widths = header.map((title, column) =>
    rows.reduce((width, row) => Math.max(width, (row[column] ?? "").length), title.length),
  );
  const width = widths.reduce((sum, each) => sum + each + 2, -2);
  const widest = widths.indexOf(Math.max(...widths));
  const cellMax = Math.max(cellColumnsMin, (widths[widest] ?? 0) - (width - columnsMax));
  if (width <= columnsMax) return rows;
  return rows.map((row) =>
    row.map((cell, column) =>
      column === widest && cell.length > cellMax ? `…${cell.slice(cell.length - cellMax + 1)}` : cell,
    ),
  );
}

const cellColumnsMin = 12;

/** Columns aligned by their widest cell, two spaces between, as Litestream's lists are. The last one is not padded. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    rows.reduce((width, row) => Math.max(width, (row[column] ?? "").length), title.length),
  );
  return [header, ...rows]
    .map((row) => row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))))
    .map((cells) => cells.join("  ").trimEnd())
    .join("\n");
}
