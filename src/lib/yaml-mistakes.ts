import type { ErrorCode } from 'yaml';

/** A mistake that the parser of YAML found; `text` is what stands there. */
interface YamlMistake {
  readonly code: ErrorCode;
  readonly message: string;
  readonly text: string;
}

/** The found and the expected text: the parser's own messages use terms of YAML's grammar. */
export function yamlMistakeText({ code, message, text }: YamlMistake): string {
  switch (code) {
    case 'TAB_AS_INDENT':
      return 'found a tab at the beginning of a line, expected spaces';
    case 'BLOCK_AS_IMPLICIT_KEY':
    case 'BLOCK_IN_FLOW':
      return 'found a field within the value of another, expected "field: value" in a line of its own, at the column of the other fields; text with ": " in it needs quotes';
    case 'MULTILINE_IMPLICIT_KEY':
      return 'found a line without ":", expected "field: value"; text of several lines needs a | before it';
    case 'KEY_OVER_1024_CHARS':
      return 'found a name of more than 1,024 characters, expected "field: value"';
    case 'BAD_SCALAR_START':
      return `found text that begins with ${text}, expected quotes around it: YAML reserves that character`;
    case 'BAD_DQ_ESCAPE':
      return `found an unknown escape within "", expected one such as \\n or \\\\; within '' a backslash is itself`;
    case 'MULTIPLE_DOCS':
      return 'found a second document after ---, expected one';
    case 'TAG_RESOLVE_FAILED':
      return `found the tag ${text}, expected none`;
    case 'MULTIPLE_ANCHORS':
    case 'MULTIPLE_TAGS':
    case 'ALIAS_PROPS':
    case 'BAD_ALIAS':
    case 'BAD_PROP_ORDER':
      return `found ${text || 'an anchor'}, expected a value with at most one anchor; text that begins with & or * needs quotes`;
    case 'BAD_DIRECTIVE':
      return 'found a line that begins with %, expected "field: value"';
    case 'DUPLICATE_KEY':
      return `found the field ${text} a second time, expected it once`;
    default:
      return grammarText(message, text);
  }
}

const UNENDED_BRACKET = /^Flow (map|sequence) .* end with a (.)/;
export const isUnendedBracket = (message: string): boolean => UNENDED_BRACKET.test(message);
export const isUnendedQuote = (message: string): boolean => /closing .quote/.test(message);

/** The parser's messages distinguish several mistakes of one code. */
function grammarText(message: string, text: string): string {
  const open = UNENDED_BRACKET.exec(message);
  if (open !== null) return `found ${open[1] === 'map' ? '{' : '['} without its end, expected ${open[2]}`;
  if (isUnendedQuote(message)) return 'found a quote without its end, expected the same quote again';
  if (/followed by map values/.test(message)) return 'found a line without ":", expected "field: value"';
  if (/same column|without - indicator|indent/i.test(message))
    return 'found another indentation than in the lines before, expected the fields of a map, and the items of a list, at one column';
  if (/Missing ,|flow collection/.test(message))
    return `found ${text || 'a value'}, expected a comma between two items`;
  if (/block-seq-ind on same line/.test(message))
    return 'found a list on the line of its field, expected it on the next';
  if (/extra characters/.test(message)) return 'found text right after | or >, expected it on the next line';
  return `found ${text === '' ? 'the end of the file' : text}, which does not belong here, expected "field: value", or quotes around the text`;
}
