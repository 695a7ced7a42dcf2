import fc from 'fast-check';

/** The first surrogate, and the number of all surrogates, which UTF-8 can't encode. */
const [FIRST_SURROGATE, SURROGATES] = [0xd800, 0x800];

/** Any code point that UTF-8 can encode. fast-check's own unit `binary` spends two seconds of CPU on a map of them all. */
export const anyCharacter: fc.Arbitrary<string> = fc
  .nat({ max: 0x10ffff - SURROGATES })
  .map((n) => String.fromCodePoint(n < FIRST_SURROGATE ? n : n + SURROGATES));
