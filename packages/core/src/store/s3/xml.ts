/** The XML of S3's answers, as far as we read it, and of its requests. */
import type { XMLParser } from "fast-xml-parser";

/** An element: its children by name. Text is a string; nothing is taken for a number, since keys may look like one. */
export interface XmlElement {
  readonly [name: string]: XmlValue;
}
export type XmlValue = string | XmlElement | readonly XmlValue[] | undefined;

/** Elements that can be there several times: always lists. */
const lists = new Set(["Contents", "Error", "Upload", "Deleted"]);

let loading: Promise<XMLParser> | undefined;

/** Reads a document; what is none gives an empty element. Loaded with the first answer: nothing else needs a parser. */
export async function parseXml(text: string): Promise<XmlElement> {
  loading ??= import("fast-xml-parser").then(
    (module) =>
      new module.XMLParser({
        ignoreAttributes: true,
        ignoreDeclaration: true,
        parseTagValue: false,
        // Spaces at the ends of a key belong to it.
        trimValues: false,
        // Decoded by `textOf`: the parser gives up on a listing with a thousand ETags in quotes.
        processEntities: false,
        isArray: (name, path) => lists.has(name) && path !== name,
      }),
  );
  const parser = await loading;
  try {
    const parsed: unknown = parser.parse(text);
    return isElement(parsed) ? parsed : {};
  } catch {
    return {};
  }
}

export function isElement(value: unknown): value is XmlElement {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function childOf(element: XmlElement, name: string): XmlElement {
  const value = element[name];
  return isElement(value) ? value : {};
}

export function childrenOf(element: XmlElement, name: string): XmlElement[] {
  const value = element[name];
  return Array.isArray(value) ? value.filter(isElement) : [];
}

export function textOf(element: XmlElement, name: string): string | undefined {
  const value = element[name];
  return typeof value === "string" ? value.replaceAll(/&(#x?)?(\w+);/g, decodeEntity) : undefined;
}

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function decodeEntity(entity: string, numbered: string | undefined, name: string): string {
  if (numbered === undefined) return entities[name] ?? entity;
  const codePoint = Number.parseInt(name, numbered === "#x" ? 16 : 10);
  return codePoint <= 0x10ffff ? String.fromCodePoint(codePoint) : entity;
}

const escapes: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

export function escapeXml(text: string): string {
  // eslint-disable-next-line no-control-regex -- what XML cannot hold as it is
  return text.replaceAll(/[&<>"\u0000-\u001f]/g, (character) => {
    return escapes[character] ?? `&#x${character.charCodeAt(0).toString(16)};`;
  });
}
