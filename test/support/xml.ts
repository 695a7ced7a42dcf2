/** An element of a document, as it was written. */
export interface XmlElement {
  /** With its prefix. */
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

const TOKEN =
  /(?<skip><\?[^>]*\?>|<!--[\s\S]*?-->)|<\/(?<close>[\w:.-]+)\s*>|<(?<open>[\w:.-]+)(?<fields>(?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(?<empty>\/?)>|<!\[CDATA\[(?<data>[\s\S]*?)\]\]>|(?<text>[^<]+)/gy;

/** Reads a document strictly. Throws if it isn't XML of one root. */
export function parseXml(document: string): XmlElement {
  const root: Open = { name: '', attributes: new Map(), text: '', children: [] };
  const open = [root];
  let read = 0;
  for (const { 0: token, groups = {} } of document.matchAll(TOKEN)) {
    read += token.length;
    const last = open.at(-1) ?? root;
    if (groups.data !== undefined) last.text += groups.data;
    else if (groups.text !== undefined) last.text += unescaped(groups.text);
    else if (groups.open !== undefined) {
      const element: Open = { name: groups.open, attributes: fieldsOf(groups.fields), text: '', children: [] };
      last.children.push(element);
      if (groups.empty === '') open.push(element);
    } else if (groups.close !== undefined && open.pop()?.name !== groups.close) {
      throw new SyntaxError(`</${groups.close}> closes another element`);
    }
  }
  const [only] = root.children;
  if (
    read !== document.length ||
    open.length > 1 ||
    only === undefined ||
    root.children.length > 1 ||
    root.text.trim() !== ''
  )
    throw new SyntaxError(`no XML: ${document.slice(0, 200)}`);
  return only;
}

interface Open extends XmlElement {
  text: string;
  readonly children: Open[];
}

function fieldsOf(text = ''): ReadonlyMap<string, string> {
  return new Map(
    [...text.matchAll(/([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)].map(([, name = '', one, other]) => [
      name,
      unescaped(one ?? other ?? ''),
    ]),
  );
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

const unescaped = (text: string): string =>
  text.replace(/&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g, (_, hex, number, name) =>
    name === undefined
      ? String.fromCodePoint(hex === undefined ? Number(number) : Number.parseInt(hex, 16))
      : (ENTITIES[name] ?? ''),
  );
