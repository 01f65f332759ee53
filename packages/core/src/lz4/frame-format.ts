/**
 * LZ4 frames (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md); all numbers little-endian.
 *
 *     size  field
 *        4  magic 184D2204
 *        1  FLG: version 01 in bits 7-6, 5 blocks independent, 4 block checksums, 3 content size, 2 content checksum,
 *           1 reserved (0), 0 dictionary id
 *        1  BD: bits 6-4 the largest block (4: 64 KiB, 5: 256 KiB, 6: 1 MiB, 7: 4 MiB), the others reserved (0)
 *      0/8  content size, where FLG says so
 *      0/4  dictionary id, where FLG says so
 *        1  header checksum: bits 15-8 of xxHash32 over FLG to here
 *           blocks, each:
 *        4    size in bytes; its high bit is set where the block is stored as it is
 *        n    the block
 *      0/4    xxHash32 of the block as stored, where FLG says so
 *        4  0: no more blocks
 *      0/4  xxHash32 of the content, where FLG says so
 *
 * A skippable frame is a magic of 184D2A50 to 184D2A5F, a size (4 bytes), and as many bytes of anything.
 */
export const frameMagic = 0x184d2204;
export const legacyFrameMagic = 0x184c2102;
export const skippableMagicFirst = 0x184d2a50;
export const skippableMagicLast = 0x184d2a5f;

/** The largest block of any frame, and the only size that Litestream and we write. */
export const blockSizeBytesMax: number = 4 * 1024 * 1024;

/** Set in the size of a block that is stored uncompressed. */
export const rawBlockFlag = 0x80000000;

/** How far back a linked block may refer into the blocks before it. */
export const linkedWindowSizeBytes: number = 64 * 1024;

/** lz4-napi's block calls expect and give the content's size, little-endian, before the block. */
export const napiPrefixSizeBytes = 4;
