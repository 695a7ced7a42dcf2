import { XMLParser } from 'fast-xml-parser';

/** An element: its text, or its children by name, each a list. */
export interface Element {
  readonly text: string;
  readonly children: ReadonlyMap<string, readonly Element[]>;
}

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  // The parser limits how many it expands in a document; a page of values has thousands.
  processEntities: false,
});

const NAMED: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** The document's root element with its name. Throws for what is no XML. */
export function parseXml(text: string): { readonly name: string; readonly root: Element } {
  const nodes: unknown = parser.parse(text, true);
  for (const node of listOf(nodes)) {
    const name = nameOf(node);
    if (name !== null && !name.startsWith('?')) return { name, root: elementOf(node, name) };
  }
  throw new SyntaxError('a document without an element');
}

/** The text of a child; '' where there is none. */
export function childText(element: Element | undefined, name: string): string {
  return element?.children.get(name)?.[0]?.text ?? '';
}

function elementOf(node: Readonly<Record<string, unknown>>, name: string): Element {
  const children = new Map<string, Element[]>();
  let text = '';
  for (const child of listOf(node[name])) {
    const childName = nameOf(child);
    if (childName === '#text') text += decodeEntities(String(child['#text']));
    else if (childName !== null) {
      const known = children.get(childName) ?? [];
      children.set(childName, known);
      known.push(elementOf(child, childName));
    }
  }
  return { text: isBase64(node[':@']) ? Buffer.from(text, 'base64').toString('utf8') : text, children };
}

/** What no XML can hold comes as base64 (SimpleDB developer guide, InvalidCharacters). */
function isBase64(attributes: unknown): boolean {
  return typeof attributes === 'object' && attributes !== null && Object.values(attributes).includes('base64');
}

function listOf(nodes: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(nodes) ? nodes : [];
}

function nameOf(node: Readonly<Record<string, unknown>>): string | null {
  return Object.keys(node).find((key) => key !== ':@') ?? null;
}

function decodeEntities(text: string): string {
  return text.replace(/&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g, (whole, hex: string, decimal: string, name: string) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return NAMED[name] ?? whole;
  });
}
