/** Lines of at most `width` columns, broken between words; a longer word has a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (longer.length <= width) line = longer;
    else {
      if (line !== "") lines.push(line);
      line = word;
    }
  }
  return [...lines, line];
}

/**
 * Rows in aligned columns, two spaces apart, in lines of at most `width` columns. The last column is wrapped; the
 * others are as wide as their widest cell.
 */
export function formatTable(rows: readonly (readonly string[])[], width: number): string {
  const columns = Math.max(...rows.map((row) => row.length)) - 1;
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length)));
  const indent = widths.reduce((sum, column) => sum + column + 2, 0);
  return rows
    .flatMap((row) => {
      const begin = widths.map((column, i) => (row[i] ?? "").padEnd(column + 2)).join("");
      const lines = wrap(row[columns] ?? "", width - indent);
      return lines.map((line, i) => `${i === 0 ? begin : " ".repeat(indent)}${line}`.trimEnd());
    })
    .join("\n");
}
