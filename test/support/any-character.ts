import fc from 'fast-check';

/** The first half of a surrogate pair, and how many there are of both: UTF-8 has none of them. */
const [SURROGATE, SURROGATES] = [0xd800, 0x800];

/** Any code point that UTF-8 has. Fast-check's own unit `binary` first makes a map of all of them: two seconds of CPU. */
export const anyCharacter: fc.Arbitrary<string> = fc
  .nat({ max: 0x10ffff - SURROGATES })
  .map((n) => String.fromCodePoint(n < SURROGATE ? n : n + SURROGATES));
