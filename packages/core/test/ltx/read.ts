/** Reads LTX files whole, and applies them, as plainly as can be. */
import { LtxDecoder, type LtxDecoderOptions } from "../../src/ltx/decoder.ts";
import type { LtxHeader } from "../../src/ltx/header.ts";
import type { LtxTrailer } from "../../src/ltx/trailer.ts";
import { inChunks } from "../bytes.ts";

export interface ReadLtx {
  readonly header: LtxHeader;
  readonly pages: readonly { readonly pgno: number; readonly data: Buffer }[];
  readonly trailer: LtxTrailer | undefined;
}

export interface ReadOptions extends Partial<LtxDecoderOptions> {
  readonly chunkSizeBytes?: number;
}

export async function readLtx(bytes: Uint8Array, options: ReadOptions = {}): Promise<ReadLtx> {
  const { chunkSizeBytes, ...rest } = options;
  await using decoder = await LtxDecoder.open(inChunks(bytes, chunkSizeBytes), { path: "ltx/0/x.ltx", ...rest });
  const pages: { pgno: number; data: Buffer }[] = [];
  for (let page = await decoder.nextPage(); page !== undefined; page = await decoder.nextPage()) {
    pages.push({ pgno: page.pgno, data: Buffer.from(page.data) });
  }
  return { header: decoder.header, pages, trailer: decoder.trailer };
}

/** The database that files give, one applied after the other. */
export function applyLtx(files: readonly ReadLtx[]): Buffer {
  let database = Buffer.alloc(0);
  for (const { header, pages } of files) {
    const sized = Buffer.alloc(header.commit * header.pageSize);
    database.copy(sized);
    for (const { pgno, data } of pages) sized.set(data, (pgno - 1) * header.pageSize);
    database = sized;
  }
  return database;
}
